//! The sample: the first requests a client of the service would try, and a month's worth of invoices.

use caudal_invoice::check_digit;
use serde_json::{Value, json};

/// How many invoices are made on top of the hand-written ones.
const MADE: u32 = 2_000;

/// How many of them go into one request.
const PER_REQUEST: u32 = 250;

/// How many clients they are spread over.
const CLIENTS: u32 = 40;

/// One request: what it shows, and its body.
pub(super) struct Request {
    /// What the request shows; unique in the sample.
    pub(super) name: String,
    /// The JSON list of invoices.
    pub(super) body: Value,
}

/// All requests of the sample, the same at every call.
pub(super) fn requests() -> Vec<Request> {
    let mut requests = vec![
        request(
            "two clients",
            json!([
                {"numero_factura": "F-001", "rut_cliente": "11111111-1", "monto": 1500.50, "fecha_emision": "2025-08-24"},
                {"numero_factura": "F-002", "rut_cliente": "22222222-2", "monto": 999.99, "fecha_emision": "2025-08-24"},
            ]),
        ),
        request(
            "one invoice",
            json!([{"numero_factura": "F-003", "rut_cliente": "33333333-3", "monto": 750.25, "fecha_emision": "2025-08-24"}]),
        ),
        request(
            "amounts as numbers",
            json!([
                {"numero_factura": "A-101", "rut_cliente": "11111111-1", "monto": 1243, "fecha_emision": "2025-08-01"},
                {"numero_factura": "A-102", "rut_cliente": "22222222-2", "monto": 88000, "fecha_emision": "2025-08-02"},
                {"numero_factura": "A-103", "rut_cliente": "33333333-3", "monto": 15990.5, "fecha_emision": "2025-08-03"},
            ]),
        ),
        request(
            "amounts as text",
            json!([
                {"numero_factura": "B-201", "rut_cliente": "11111111-1", "monto": "1243", "fecha_emision": "2025-08-04"},
                {"numero_factura": "B-202", "rut_cliente": "33333333-3", "monto": "20000.75", "fecha_emision": "2025-08-05"},
            ]),
        ),
        request(
            "several invoices for one client",
            json!([
                {"numero_factura": "C-301", "rut_cliente": "22222222-2", "monto": 5000, "fecha_emision": "2025-08-06"},
                {"numero_factura": "C-302", "rut_cliente": "22222222-2", "monto": "7500", "fecha_emision": "2025-08-07"},
                {"numero_factura": "C-303", "rut_cliente": "22.222.222-2", "monto": 2500, "fecha_emision": "2025-08-08"},
            ]),
        ),
    ];
    requests.extend((0..MADE / PER_REQUEST).map(made_request));
    requests
}

fn request(name: &str, body: Value) -> Request {
    Request { name: name.to_owned(), body }
}

fn made_request(index: u32) -> Request {
    let invoices = (index * PER_REQUEST..(index + 1) * PER_REQUEST).map(made_invoice);
    Request { name: format!("made {}", index + 1), body: invoices.collect() }
}

/// A plausible invoice: a company's RUT, whole pesos with 19 % IVA, a day of 2025.
fn made_invoice(index: u32) -> Value {
    // Multipliers prime to the ranges spread the values without a random number, so that every run is the same.
    let company = 76_000_000 + index % CLIENTS * 48_611;
    let net = 10_000 + index * 7_919 % 990_000;
    let (month, day) = (1 + index % 12, 1 + index * 11 % 28);
    json!({
        "numero_factura": format!("{}", 500_000 + index),
        "rut_cliente": format!("{company}-{}", check_digit(company)),
        "monto": net + net * 19 / 100,
        "fecha_emision": format!("2025-{month:02}-{day:02}"),
    })
}
