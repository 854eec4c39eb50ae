//! The roles: each a plain list of what it is made of.

pub(crate) mod api;
pub(crate) mod controller;
pub(crate) mod crd;
pub(crate) mod migrate;
pub(crate) mod worker;
