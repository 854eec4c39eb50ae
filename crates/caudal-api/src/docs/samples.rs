//! What the document shows: requests, each with its name and title, and what is told of batches and clients.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use super::Offer;
use crate::wire::{self, Cliente, Estado, Factura, Lote, Rechazada};

pub(super) const KEY: &str = "carga-2025-08-24-001";
pub(super) const BATCH: Uuid = Uuid::from_u128(0x0198_dd50_9c00_7c1a_8f3e_2b6d_4a9c_1e57);
pub(super) const RUT: &str = "11111111-1";

/// A body of the intake.
pub(super) struct Body {
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    pub(super) value: Value,
}

/// What is accepted.
pub(super) fn accepted() -> [Body; 3] {
    let two = json!([invoice("F-001", "11111111-1", 1500.5), invoice("F-002", "22222222-2", 999.99)]);
    let exact = json!([with("monto", "12345678901234.5678"), with("monto", "-250")]);
    [
        Body { name: "dos_facturas", title: "Dos facturas", value: two },
        Body { name: "montos_como_texto", title: "Montos como texto, y una nota de crédito", value: exact },
        Body { name: "vacio", title: "Un lote vacío", value: json!([]) },
    ]
}

/// What is answered 422.
pub(super) fn refused(offer: Offer) -> Vec<Body> {
    let mut several = invoice("F-001", "11111111-1", 1500.5);
    several.remove("numero_factura");
    several.insert("monto".to_owned(), "mil".into());
    several.insert("fecha_emision".to_owned(), "2025-02-30".into());
    let field = |name, title, field, value: Value| Body { name, title, value: json!([with(field, value)]) };
    let mut bodies = vec![
        Body { name: "varios_campos", title: "Varios campos inválidos", value: json!([with("monto", 1), several]) },
        Body { name: "no_es_lista", title: "El cuerpo no es una lista", value: json!({"facturas": []}) },
        Body { name: "no_es_objeto", title: "Un elemento no es una factura", value: json!(["F-001"]) },
        field("numero_sin_comillas", "El número no es un texto", "numero_factura", json!(1001)),
        field("numero_con_u0000", "El número contiene U+0000", "numero_factura", json!("F-\0")),
        field("rut_largo", "El RUT tiene más de 50 caracteres", "rut_cliente", json!("1".repeat(51))),
        field("monto_nulo", "El monto no es un número", "monto", Value::Null),
        field("monto_con_coma", "El monto lleva separador de miles y coma", "monto", json!("1.500,50")),
        field("monto_infinito", "El monto no es finito", "monto", json!("Infinity")),
        field("monto_enorme", "El monto tiene demasiados dígitos", "monto", json!(12_345_678_901_234_567_u64)),
        field("fecha_logica", "La fecha no es un texto", "fecha_emision", json!(true)),
        field("fecha_al_reves", "La fecha está escrita de otra forma", "fecha_emision", json!("24-08-2025")),
        field("fecha_con_hora", "La fecha trae una hora", "fecha_emision", json!("2025-08-24T10:30:00")),
    ];
    if offer.strict_rut {
        bodies.push(field("rut_invalido", "El dígito verificador es otro", "rut_cliente", json!("11111111-2")));
    }
    bodies
}

type Object = serde_json::Map<String, Value>;

fn invoice(number: &str, rut: &str, amount: f64) -> Object {
    let fields = [
        ("numero_factura", json!(number)),
        ("rut_cliente", json!(rut)),
        ("monto", json!(amount)),
        ("fecha_emision", json!("2025-08-24")),
    ];
    fields.map(|(name, value)| (name.to_owned(), value)).into_iter().collect()
}

fn with(field: &str, value: impl Into<Value>) -> Object {
    let mut invoice = invoice("F-001", RUT, 1500.5);
    invoice.insert(field.to_owned(), value.into());
    invoice
}

/// A batch of which nothing is settled.
pub(super) fn waiting() -> Lote {
    Lote {
        id: BATCH,
        estado: Estado::Encolado,
        recibidas: 2,
        registradas: 0,
        sin_cambios: 0,
        rechazadas: Vec::new(),
        recibido_en: received(),
        terminado_en: None,
    }
}

/// A batch of which one invoice is not in the ledger.
pub(super) fn with_errors() -> Lote {
    let rejected = Rechazada {
        posicion: 1,
        numero_factura: "F-002".to_owned(),
        motivo: wire::reason("numeric_value_out_of_range"),
    };
    Lote {
        estado: Estado::ConErrores,
        registradas: 1,
        rechazadas: vec![rejected],
        terminado_en: Some(received() + TimeDelta::milliseconds(480)),
        ..waiting()
    }
}

/// A client with one invoice and more to come.
pub(super) fn client() -> Cliente {
    let invoice = Factura {
        numero_factura: "F-001".to_owned(),
        rut_cliente: "11.111.111-1".to_owned(),
        monto: "1500.5000".to_owned(),
        fecha_emision: received().date_naive(),
        lote: BATCH,
        recibido_en: received(),
    };
    Cliente {
        rut: RUT.to_owned(),
        saldo: "2500.4900".to_owned(),
        facturas: vec![invoice],
        siguiente: Some("F-002".to_owned()),
    }
}

fn received() -> DateTime<Utc> {
    let day = NaiveDate::from_ymd_opt(2025, 8, 24).unwrap_or_default();
    day.and_time(chrono::NaiveTime::MIN).and_utc() + TimeDelta::hours(14)
}
