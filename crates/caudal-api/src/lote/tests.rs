//! How far a batch is, told from its counts.

use caudal_queue::{Rejection, Status};
use chrono::DateTime;
use uuid::Uuid;

use super::describe;
use crate::wire::Estado;

fn status(received: u64, recorded: u64, unchanged: u64, rejected: u64) -> Status {
    Status {
        received,
        recorded,
        unchanged,
        rejected,
        rejections: Vec::new(),
        received_at: DateTime::UNIX_EPOCH,
        finished_at: None,
        caller: String::new(),
    }
}

fn estado(received: u64, recorded: u64, unchanged: u64, rejected: u64) -> Estado {
    describe(Uuid::nil(), status(received, recorded, unchanged, rejected)).estado
}

#[test]
fn a_batch_is_queued_until_its_first_invoice_is_settled_and_done_with_its_last() {
    assert_eq!(estado(3, 0, 0, 0), Estado::Encolado);
    assert_eq!(estado(3, 1, 0, 0), Estado::Procesando);
    assert_eq!(estado(3, 0, 1, 0), Estado::Procesando);
    assert_eq!(estado(3, 0, 0, 1), Estado::Procesando);
    assert_eq!(estado(3, 2, 1, 0), Estado::Procesado);
    assert_eq!(estado(3, 1, 1, 1), Estado::ConErrores);
}

#[test]
fn an_empty_batch_is_done_at_once() {
    assert_eq!(estado(0, 0, 0, 0), Estado::Procesado);
}

#[test]
fn a_client_reads_the_names_and_times_of_the_wire() {
    let mut status = status(2, 1, 0, 1);
    status.finished_at = DateTime::from_timestamp_millis(1_705_276_800_250);
    status.rejections =
        vec![Rejection { position: 1, number: "F-2".to_owned(), code: "damaged".to_owned(), detail: "why".to_owned() }];
    let expected = serde_json::json!({
        "id": "00000000-0000-0000-0000-000000000000",
        "estado": "con_errores",
        "recibidas": 2,
        "registradas": 1,
        "sin_cambios": 0,
        "rechazadas": [{"posicion": 1, "numero_factura": "F-2", "motivo": "La factura llegó dañada al registro."}],
        "recibido_en": "1970-01-01T00:00:00.000Z",
        "terminado_en": "2024-01-15T00:00:00.250Z",
    });
    assert_eq!(serde_json::to_value(describe(Uuid::nil(), status)).unwrap(), expected);
}
