//! Which path leads where.

pub(crate) mod details;
pub(crate) mod docs;
pub(crate) mod estimates;
pub(crate) mod explain;
mod governed;
pub(crate) mod health;
pub(crate) mod inference;
pub(crate) mod inspect;
pub(crate) mod manage;
pub(crate) mod models;
pub(crate) mod pages;
pub(crate) mod tools;
