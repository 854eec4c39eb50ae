//! The same request for two kinds of reader: as a curl command and as a Python program.

use serde_json::{Value, json};

use super::Offer;
use super::operations::Operation;
use super::samples::KEY;

const ORIGIN: &str = "http://localhost:8000";
/// A body in the order a person would write it.
const INVOICES: [[&str; 4]; 2] = [
    [r#"{"numero_factura": "F-001","#, r#" "rut_cliente": "11111111-1","#, r#" "monto": 1500.50,"#, DAY],
    [r#"{"numero_factura": "F-002","#, r#" "rut_cliente": "22222222-2","#, r#" "monto": 999.99,"#, DAY],
];
const DAY: &str = r#" "fecha_emision": "2025-08-24"}"#;

/// The samples of an operation, as documentation tools know them.
pub(super) fn samples(operation: &Operation, offer: Offer) -> Value {
    json!([
        {"lang": "Shell", "label": "curl", "source": curl(operation, offer)},
        {"lang": "Python", "label": "Python", "source": python(operation, offer)},
    ])
}

fn headers(operation: &Operation, offer: Offer) -> Vec<(&'static str, &'static str)> {
    let mut headers = Vec::new();
    if offer.keys {
        headers.push(("Authorization", "Bearer CLAVE"));
    }
    if !operation.bodies.is_empty() {
        headers.push(("Idempotency-Key", KEY));
    }
    headers
}

/// The list, at this depth: for Python too, which writes such values as JSON does.
fn body(indent: &str) -> String {
    let invoices = INVOICES.map(|lines| lines.join(&format!("\n{indent}  ")));
    format!("[\n{indent}  {}\n{indent}]", invoices.join(&format!(",\n{indent}  ")))
}

/// The operation as a curl command.
pub(super) fn curl(operation: &Operation, offer: Offer) -> String {
    let mut lines = vec![format!("curl -i '{ORIGIN}{}'", operation.url)];
    if !operation.bodies.is_empty() {
        lines.push("-H 'Content-Type: application/json'".to_owned());
    } else if operation.method == "post" {
        lines.push("-X POST".to_owned());
    }
    lines.extend(headers(operation, offer).iter().map(|(name, value)| format!("-H '{name}: {value}'")));
    if !operation.bodies.is_empty() {
        lines.push(format!("-d '{}'", body("  ")));
    }
    lines.join(" \\\n  ")
}

fn python(operation: &Operation, offer: Offer) -> String {
    let mut arguments = vec![format!("\"{ORIGIN}{}\"", operation.url)];
    let headers = headers(operation, offer);
    if !headers.is_empty() {
        let entries: Vec<_> = headers.iter().map(|(name, value)| format!("\"{name}\": \"{value}\"")).collect();
        arguments.push(format!("headers={{\n        {},\n    }}", entries.join(",\n        ")));
    }
    if !operation.bodies.is_empty() {
        arguments.push(format!("json={}", body("    ")));
    }
    arguments.push("timeout=60".to_owned());
    let call = format!("requests.{}(\n    {},\n)", operation.method, arguments.join(",\n    "));
    format!("import requests\n\nrespuesta = {call}\nprint(respuesta.status_code, respuesta.headers, respuesta.text)")
}
