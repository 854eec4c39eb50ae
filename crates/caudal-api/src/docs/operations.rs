//! The operations of the document, each with everything it answers.

use caudal_invoice::{FieldError, MAX_BATCH, RutCheck, parse_batch};
use serde_json::{Value, json};

use super::Offer;
use super::samples::{self, BATCH, Body, KEY, RUT};
use crate::answer::Answer;
use crate::room::Room;
use crate::wire;

/// One method on one path.
pub(super) struct Operation {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    /// The path with a value in each place, as a client asks for it.
    pub(super) url: String,
    pub(super) tag: &'static str,
    pub(super) id: &'static str,
    pub(super) summary: &'static str,
    pub(super) description: &'static str,
    pub(super) parameters: Value,
    pub(super) bodies: Vec<Body>,
    pub(super) answers: Vec<Told>,
    /// The `Allow` of the path.
    pub(super) allow: &'static str,
}

/// An answer of an operation, with its name and title.
pub(super) struct Told {
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    pub(super) answer: Answer,
}

fn told(name: &'static str, title: &'static str, answer: Answer) -> Told {
    Told { name, title, answer }
}

/// All operations of this offer, in their order.
pub(super) fn all(offer: Offer) -> Vec<Operation> {
    let mut operations = vec![send(offer), redirect(), batch()];
    if offer.keys {
        operations.push(client());
        for operation in &mut operations {
            operation.answers.push(told("sin_clave", "Sin una clave conocida", Answer::Unauthorized));
        }
    }
    operations
}

fn send(offer: Offer) -> Operation {
    let mut answers = vec![told("aceptado", "Dos facturas", Answer::Accepted { id: BATCH, count: 2 })];
    if offer.replay {
        answers.push(told(
            "repetido",
            "La misma clave con las mismas facturas",
            Answer::Replayed { id: BATCH, count: 2 },
        ));
        answers.push(told("otras_facturas", "La misma clave con otras facturas", Answer::OtherInvoices));
    }
    let refused = samples::refused(offer);
    answers.extend(refused.iter().map(|body| told(body.name, body.title, complaint(&body.value))));
    answers.extend(refusals());
    Operation {
        method: "post",
        path: "/facturas/",
        url: "/facturas/".to_owned(),
        tag: "Facturas",
        id: "enviar_facturas",
        summary: "Enviar un lote de facturas",
        description: "Guarda el lote y responde; las facturas se registran en segundo plano. Un lote se acepta entero o no se acepta.",
        parameters: json!([{
            "name": "Idempotency-Key",
            "in": "header",
            "required": true,
            "description": "La clave del lote: un texto cualquiera, distinto para cada lote, que se recuerda 24 horas. Se compara \
                            tal cual, byte por byte.",
            "schema": {"type": "string"},
            "example": KEY,
        }]),
        bodies: samples::accepted().into_iter().chain(refused).collect(),
        answers,
        allow: "POST",
    }
}

/// What a body without invoices is answered, whatever is wrong with it.
fn complaint(body: &Value) -> Answer {
    refusal(body.to_string().as_bytes())
}

fn refusal(body: &[u8]) -> Answer {
    match parse_batch(None, body, RutCheck::Strict) {
        Ok(_) => Answer::Internal,
        Err(refusal) => Answer::refused(refusal, None, &Room::boundless()),
    }
}

fn refusals() -> Vec<Told> {
    let keyless = Answer::invalid(vec![FieldError::missing_header("idempotency-key")], &Room::boundless());
    vec![
        told("sin_idempotency_key", "Falta la cabecera Idempotency-Key", keyless),
        told("json_incompleto", "El cuerpo no es JSON", refusal(br#"[{"numero_factura": "F-001""#)),
        told("no_es_texto", "El cuerpo no es texto en la codificación que parece tener", refusal(b"\xff")),
        told("repetida", "La clave ya fue aceptada", Answer::Duplicate { id: Some(BATCH) }),
        told("demasiados_bytes", "Más de 8 MiB", Answer::TooLarge),
        told("demasiadas_facturas", "Más de 10.000 facturas", Answer::TooMany),
        told("cola_llena", "Hay demasiadas facturas en espera", Answer::Full { seconds: 30 }),
        told("no_disponible", "El servicio no está disponible", Answer::Unavailable),
        told("otro_metodo", "Otro método", Answer::MethodNotAllowed),
    ]
}

fn redirect() -> Operation {
    let place = "http://localhost:8000/facturas/".parse().map_or(Answer::Internal, Answer::Redirect);
    Operation {
        method: "post",
        path: "/facturas",
        url: "/facturas".to_owned(),
        tag: "Facturas",
        id: "redirigir_facturas",
        summary: "Redirige a /facturas/",
        description: "Con cualquier método. El cliente debe repetir la petición entera, con su cuerpo, en la dirección de `Location`.",
        parameters: json!([]),
        bodies: Vec::new(),
        answers: vec![told("redireccion", "La dirección completa", place)],
        allow: "",
    }
}

fn batch() -> Operation {
    Operation {
        method: "get",
        path: "/lotes/{id}",
        url: format!("/lotes/{BATCH}"),
        tag: "Lotes",
        id: "ver_lote",
        summary: "Ver hasta dónde ha llegado un lote",
        description: "Se puede preguntar mientras el lote se procesa y hasta 24 horas después de que terminó. Un cliente ve solamente \
                      sus propios lotes.",
        parameters: json!([{
            "name": "id",
            "in": "path",
            "required": true,
            "description": "El identificador que vino en `Location`.",
            "schema": {"type": "string", "format": "uuid"},
            "example": BATCH,
        }]),
        bodies: Vec::new(),
        answers: vec![
            told("encolado", "Recién aceptado", Answer::lote(&samples::waiting(), &Room::boundless())),
            told(
                "con_errores",
                "Terminado, con una factura rechazada",
                Answer::lote(&samples::with_errors(), &Room::boundless()),
            ),
            told("no_existe", "No existe, o terminó hace más de 24 horas", Answer::NotFound(wire::NO_SUCH_BATCH)),
            told("otro_metodo", "Otro método", Answer::MethodNotAllowed),
            told("no_disponible", "El servicio no está disponible", Answer::Unavailable),
        ],
        allow: "GET,HEAD",
    }
}

fn client() -> Operation {
    Operation {
        method: "get",
        path: "/clientes/{rut}",
        url: format!("/clientes/{RUT}?limite=1"),
        tag: "Clientes",
        id: "ver_cliente",
        summary: "Ver el saldo y las facturas de un cliente",
        description: "Las facturas van por orden de número, por páginas: para la página siguiente se repite la petición con `desde` \
                      igual a `siguiente`.",
        parameters: page(),
        bodies: Vec::new(),
        answers: vec![
            told(
                "cliente",
                "Un cliente y la primera de sus facturas",
                Answer::cliente(&samples::client(), &Room::boundless()),
            ),
            told("no_existe", "No existe", Answer::NotFound(wire::NO_SUCH_CLIENT)),
            told("limite_invalido", "limite no es válido", Answer::BadQuery(wire::BAD_PAGE)),
            told("otro_metodo", "Otro método", Answer::MethodNotAllowed),
            told("no_disponible", "El registro no está disponible", Answer::Unavailable),
        ],
        allow: "GET,HEAD",
    }
}

/// What names a client, and a page of its invoices.
fn page() -> Value {
    json!([
        {
            "name": "rut",
            "in": "path",
            "required": true,
            "description": "El RUT del cliente, con o sin puntos.",
            "schema": {"type": "string"},
            "example": RUT,
        },
        {
            "name": "desde",
            "in": "query",
            "description": "El número de la primera factura de la página.",
            "schema": {"type": "string", "default": ""},
        },
        {
            "name": "limite",
            "in": "query",
            "description": "Cuántas facturas trae la página.",
            "schema": {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100},
            "example": 1,
        },
    ])
}

/// The schema of the intake's body.
pub(super) fn list_of(invoice: &Value) -> Value {
    json!({"type": "array", "maxItems": MAX_BATCH, "items": invoice})
}
