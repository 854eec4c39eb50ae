//! How the connections to PostgreSQL are used.

use std::future::ready;

use caudal_telemetry::metrics::Registry;

use crate::Ledger;

const GAUGES: [(&str, &str); 3] = [
    ("postgres_connections_in_use", "Connections to PostgreSQL that somebody works with"),
    ("postgres_connections_idle", "Connections to PostgreSQL that wait for work"),
    ("postgres_connections_max", "Connections to PostgreSQL this process may have"),
];

impl Ledger {
    /// Adds how the connections are used to a role's metrics.
    pub fn register(&self, registry: &mut Registry) {
        let pool = self.pool().clone();
        registry.ask(GAUGES, [None; 3], move || {
            let (size, idle) = (pool.size(), pool.num_idle() as u32);
            let in_use = size.saturating_sub(idle);
            ready(Some([in_use, idle, pool.options().get_max_connections()].map(|count| Some(f64::from(count)))))
        });
    }
}
