//! The invoice itself.

use chrono::NaiveDate;
use rust_decimal::Decimal;

use crate::rut::canonical_rut;

/// One invoice (factura), as accepted at the door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invoice {
    /// The invoice's number as received: at most 200 characters, no U+0000.
    pub number: String,
    /// The client's RUT as received: at most 50 characters, no U+0000.
    pub rut: String,
    /// The amount: at most 16 digits before the point and 4 behind it (rounded half to even).
    pub amount: Decimal,
    /// The day of issue, of the years 1 to 9999.
    pub issued_on: NaiveDate,
}

impl Invoice {
    /// The client's key in the ledger: the RUT in its canonical form.
    #[must_use]
    pub fn client(&self) -> String {
        canonical_rut(&self.rut).into_owned()
    }
}
