#![doc = include_str!("../README.md")]

mod decision;
mod history;
mod law;
mod peak;
mod policy;
mod promises;
mod rates;
mod starts;

pub use decision::{Basis, Decision, Drain, Hold};
pub use history::History;
pub use law::{Load, Observation, plan};
pub use policy::Policy;
