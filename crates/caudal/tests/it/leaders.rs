//! Two controllers, one of which leads.

#[expect(dead_code, reason = "the benchmarks use the rest")]
#[path = "../../benches/bench/cluster.rs"]
mod cluster;
mod control_plane;
