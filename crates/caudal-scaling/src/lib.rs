#![doc = include_str!("../README.md")]

mod decision;
mod history;
mod law;
mod policy;

pub use decision::{Basis, Decision, Hold};
pub use history::History;
pub use law::{Load, Observation, plan};
pub use policy::Policy;
