//! Which path leads where.

pub(crate) mod docs;
pub(crate) mod health;
pub(crate) mod inference;
pub(crate) mod models;
pub(crate) mod pages;
