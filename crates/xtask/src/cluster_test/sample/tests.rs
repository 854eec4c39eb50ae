//! What the sample adds up to.

use super::*;

#[test]
fn the_sample_is_100_invoices() {
    let (first, rest) = batches();
    let all: usize = first.count + rest.iter().map(|batch| batch.count).sum::<usize>();
    let sent = std::iter::once(&first).chain(&rest);
    let invoices = sent.map(|batch| batch.body.matches("numero_factura").count()).sum::<usize>();
    assert_eq!((all, invoices), (100, 100));
}

#[test]
fn a_ledger_row_is_read_to_the_last_decimal() {
    let rows = balances_of("11111111-1|12.3400|2|12.34|2").unwrap();
    assert_eq!(rows["11111111-1"], [123_400, 2, 123_400, 2]);
}
