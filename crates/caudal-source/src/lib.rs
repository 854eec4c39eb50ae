#![doc = include_str!("../README.md")]

mod celery;
mod error;
mod list;
mod sorted_set;
mod source;
mod stream;

pub use celery::{Asker, Celery};
pub use error::Error;
pub use list::List;
pub use sorted_set::{DueBy, SortedSet};
pub use source::{Source, Work};
pub use stream::Stream;
