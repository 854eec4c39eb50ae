//! Clients of the ledger, on the operators' port.

use caudal_ledger::Entry;
use caudal_testkit::{Postgres, Redis};
use chrono::DateTime;
use serde_json::json;
use uuid::Uuid;

use crate::site::{Site, ledger, options};

pub(crate) fn entry(number: &str, amount: &str, version: i64) -> Entry {
    Entry {
        invoice: caudal_invoice::Invoice {
            number: number.to_owned(),
            rut: "11.111.111-1".to_owned(),
            amount: amount.parse().unwrap(),
            issued_on: "2025-08-24".parse().unwrap(),
        },
        version,
        batch: Uuid::nil(),
        received_at: DateTime::UNIX_EPOCH,
    }
}

#[tokio::test]
async fn a_clients_balance_and_invoices_are_told_page_by_page() {
    let postgres = Postgres::start().await.unwrap();
    let redis = Redis::start().await.unwrap();
    let database = postgres.database().await.unwrap();
    let books = ledger(&database);
    books.migrate().await.unwrap();
    books.record(&[entry("A", "1.5", 1), entry("B", "-0.25", 2), entry("C", "10", 3)]).await.unwrap();
    let site = Site::start_with(&redis.url(), &database, options()).await;

    let (status, first) = site.ops("/clientes/11111111-1?limite=2").await;
    assert_eq!(status, 200);
    assert_eq!((&first["rut"], &first["saldo"]), (&json!("11111111-1"), &json!("11.2500")));
    assert_eq!(first["siguiente"], json!("C"));
    let invoice = json!({
        "numero_factura": "A",
        "rut_cliente": "11.111.111-1",
        "monto": "1.5000",
        "fecha_emision": "2025-08-24",
        "lote": "00000000-0000-0000-0000-000000000000",
        "recibido_en": "1970-01-01T00:00:00.000Z",
    });
    assert_eq!(first["facturas"][0], invoice);

    let (_, last) = site.ops("/clientes/11.111.111-1?limite=2&desde=C").await;
    assert_eq!((&last["facturas"][0]["numero_factura"], &last["siguiente"]), (&json!("C"), &json!(null)));
    assert_eq!(site.ops("/clientes/22222222-2").await.0, 404);
    assert_eq!(site.ops("/clientes/%00").await.0, 404);
    for limit in ["0", "1001", "x", "-1"] {
        assert_eq!(site.ops(&format!("/clientes/1-9?limite={limit}")).await.0, 422, "{limit}");
    }
    assert_eq!(site.get("/clientes/11111111-1").await.0, 404, "the clients' port does not tell");
}

#[tokio::test]
async fn without_postgresql_batches_are_still_taken_and_only_clients_are_away() {
    let redis = Redis::start().await.unwrap();
    let site = Site::start(&redis.url()).await;
    assert_eq!(site.post("k", &crate::site::invoices(1)).await.status(), 202);
    assert_eq!(site.ops("/clientes/11111111-1").await.0, 503);
}
