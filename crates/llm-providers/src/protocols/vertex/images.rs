//! Images on Vertex: Google's own models, at Vertex's addresses.

use super::{address, model::Wire, resource};
use crate::protocols::{gemini::images, images::Painter};

/// Imagen, and Gemini's image models.
pub(crate) const IMAGES: Painter = Painter {
    most: images::most,
    request: |call, request| {
        images::request(call, request, |call, verb| {
            let version = match verb {
                "predict" => "v1",
                _ => "v1beta1",
            };
            let resource = resource(call.model(), Wire::of(call.model()))?;
            address::of(call, version, &resource, verb)
        })
    },
    read: images::read,
};
