//! Which invoices are on their way.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use caudal_invoice::canonical_rut;
use serde::Deserialize;

use super::batch::Batch;
use super::deliver::Delivered;

/// The invoices on their way; two that fall on one number only wait for each other.
#[derive(Debug, Default)]
pub(super) struct Claims(HashSet<u64>);

impl Claims {
    /// Claims the batch's invoices, unless one of them is on its way already.
    pub(super) fn take(&mut self, batch: &Batch) -> bool {
        let free = batch.claims.iter().all(|claim| !self.0.contains(claim));
        if free {
            self.0.extend(&batch.claims);
        }
        free
    }

    /// The batch is no longer on its way.
    pub(super) fn free(&mut self, delivered: &Delivered) {
        for claim in &delivered.claims {
            self.0.remove(claim);
        }
    }
}

/// What tells invoices apart.
#[derive(Deserialize)]
struct Identity {
    numero_factura: String,
    rut_cliente: String,
}

/// The number that stands for an invoice; none for what the API will refuse.
pub(super) fn claim(json: &str) -> Option<u64> {
    let Identity { numero_factura, rut_cliente } = serde_json::from_str(json).ok()?;
    let mut hasher = DefaultHasher::new();
    (canonical_rut(&rut_cliente), numero_factura).hash(&mut hasher);
    Some(hasher.finish())
}
