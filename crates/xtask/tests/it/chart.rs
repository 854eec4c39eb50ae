//! The chart, rendered by Helm 3 and 4 and given to a real API server.

mod alerts;
mod deploy;
mod files;
mod helm;
mod paths;
mod plane;
mod pods;
mod server;
mod values;
