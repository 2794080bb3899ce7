//! Objects of known fields that keep what else there is.

use std::{
    borrow::Cow,
    fmt,
    ops::{Deref, DerefMut},
    sync::LazyLock,
};

use serde::{Deserialize, Serialize, Serializer};

use crate::Map;

/// What an object holds besides its known fields. A [`Map`] in all but its size: nearly always there is nothing, and
/// usage is handed on many times in a request.
#[derive(Clone, Default)]
pub struct Extra(Option<Box<Map>>);

impl Deref for Extra {
    type Target = Map;

    fn deref(&self) -> &Map {
        static NOTHING: LazyLock<Map> = LazyLock::new(Map::new);
        match &self.0 {
            Some(map) => map,
            None => &NOTHING,
        }
    }
}

impl DerefMut for Extra {
    fn deref_mut(&mut self) -> &mut Map {
        self.0.get_or_insert_default()
    }
}

impl From<Map> for Extra {
    fn from(map: Map) -> Self {
        Self((!map.is_empty()).then(|| Box::new(map)))
    }
}

impl From<Extra> for Map {
    fn from(extra: Extra) -> Self {
        extra.0.map_or_else(Map::new, |map| *map)
    }
}

impl FromIterator<(String, serde_json::Value)> for Extra {
    fn from_iter<I: IntoIterator<Item = (String, serde_json::Value)>>(fields: I) -> Self {
        Map::from_iter(fields).into()
    }
}

impl IntoIterator for Extra {
    type Item = (String, serde_json::Value);
    type IntoIter = serde_json::map::IntoIter;

    fn into_iter(self) -> Self::IntoIter {
        Map::from(self).into_iter()
    }
}

impl<'a> IntoIterator for &'a Extra {
    type Item = (&'a String, &'a serde_json::Value);
    type IntoIter = serde_json::map::Iter<'a>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl PartialEq for Extra {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl fmt::Debug for Extra {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl Serialize for Extra {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (**self).serialize(serializer)
    }
}

/// A key, borrowed where it has no escapes.
#[derive(Deserialize)]
pub(crate) struct Key<'a>(#[serde(borrow)] pub(crate) Cow<'a, str>);

/// Implements `Deserialize` for a type that has `Default` and a field `extra`: each key goes where it belongs, the others
/// into `extra`. Serde's own `flatten` holds every value in a buffer in between, which costs several times as much, and
/// usage is read in every request.
macro_rules! reads_with_extra {
    ($type:ident { $($key:pat => $field:ident: $via:ty,)* }) => {
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Fields;
                impl<'de> serde::de::Visitor<'de> for Fields {
                    type Value = $type;
                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str("an object")
                    }
                    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<$type, A::Error> {
                        let mut read = $type::default();
                        while let Some($crate::extra::Key(key)) = map.next_key()? {
                            match key.as_ref() {
                                $($key => read.$field = map.next_value::<$via>()?.into(),)*
                                _ => {
                                    read.extra.insert(key.into_owned(), map.next_value()?);
                                }
                            }
                        }
                        Ok(read)
                    }
                }
                deserializer.deserialize_map(Fields)
            }
        }
    };
}

pub(crate) use reads_with_extra;
