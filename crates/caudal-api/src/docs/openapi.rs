//! The document: OpenAPI 3.1, made of the operations and of the schemas of the wire types.

use std::collections::BTreeMap;

use axum::body::to_bytes;
use axum::http::header::{ALLOW, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::Offer;
use super::operations::{self, Operation, Told};
use super::{code, samples};
use crate::answer::{Answer, REPLAYED};
use crate::wire::{Accepted, Cliente, Complaints, Detail, FacturaEnviada, Lote};

const BODIES: &str = "application/json";
const TAGS: [(&str, &str); 3] =
    [("Facturas", "Lo que se envía."), ("Lotes", "Qué ha sido de lo enviado."), ("Clientes", "Lo registrado.")];

/// The document of this offer.
pub(super) async fn document(offer: Offer) -> Value {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    let mut schemas =
        settings.with(|settings| settings.definitions_path = "/components/schemas".into()).into_generator();
    let operations = operations::all(offer);
    let guide = guide(offer, &operations);
    let mut paths = Map::new();
    let mut tags = Vec::new();
    for operation in operations {
        let (path, method) = (operation.path, operation.method);
        tags.push(operation.tag);
        let described = describe(operation, offer, &mut schemas).await;
        let methods = paths.entry(path).or_insert_with(|| json!({}));
        methods[method] = described;
    }
    let tags = TAGS.iter().filter(|(name, _)| tags.contains(name));
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Caudal: ingesta de facturas",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "Recibe lotes de facturas, los guarda y los registra una sola vez.",
            "description": guide,
        },
        "servers": [{"url": "/"}],
        "tags": tags.map(|(name, text)| json!({"name": name, "description": text})).collect::<Vec<_>>(),
        "paths": paths,
        "components": {"schemas": schemas.take_definitions(true)},
    });
    if offer.keys {
        let scheme = json!({"type": "http", "scheme": "bearer", "description": "La clave de API."});
        document["components"]["securitySchemes"] = json!({"clave": scheme});
        document["security"] = json!([{"clave": []}]);
    }
    document
}

/// The prose, as far as it holds for this offer, with the first operation as its example.
fn guide(offer: Offer, operations: &[Operation]) -> String {
    let sections = [
        Some(include_str!("guide/send.md")),
        offer.keys.then_some(include_str!("guide/keys.md")),
        Some(if offer.replay { include_str!("guide/replay.md") } else { include_str!("guide/conflict.md") }),
        Some(include_str!("guide/retry.md")),
        Some(include_str!("guide/limits.md")),
        offer.strict_rut.then_some(include_str!("guide/strict.md")),
    ];
    let guide = sections.into_iter().flatten().collect::<Vec<_>>().join("\n");
    let curl = operations.first().map(|operation| code::curl(operation, offer)).unwrap_or_default();
    guide.replace("{curl}", &curl)
}

async fn describe(operation: Operation, offer: Offer, schemas: &mut SchemaGenerator) -> Value {
    let samples = code::samples(&operation, offer);
    let Operation { tag, id, summary, description, parameters, bodies, answers, allow, .. } = operation;
    let mut described = json!({
        "tags": [tag],
        "operationId": id,
        "summary": summary,
        "description": description,
        "parameters": parameters,
        "responses": responses(answers, allow, schemas).await,
        "x-codeSamples": samples,
    });
    if !bodies.is_empty() {
        let invoice = schemas.subschema_for::<FacturaEnviada>().to_value();
        let examples: Map<_, _> = bodies
            .into_iter()
            .map(|samples::Body { name, title, value }| (name.to_owned(), json!({"summary": title, "value": value})))
            .collect();
        let content = json!({"schema": operations::list_of(&invoice), "examples": examples});
        let text = "Una lista JSON de 0 a 10.000 facturas.";
        described["requestBody"] = json!({"description": text, "required": true, "content": {BODIES: content}});
    }
    described
}

/// One status: what it answers, as the API itself makes it.
#[derive(Default)]
struct Response {
    headers: Map<String, Value>,
    schemas: Vec<Value>,
    examples: Map<String, Value>,
}

async fn responses(answers: Vec<Told>, allow: &str, schemas: &mut SchemaGenerator) -> Value {
    let mut responses = BTreeMap::<StatusCode, Response>::new();
    for Told { name, title, answer } in answers {
        let schema = schema(&answer, schemas);
        let (head, body) = answer.into_response().into_parts();
        let response = responses.entry(head.status).or_default();
        response.headers.extend(headers(&head.headers));
        if head.status == StatusCode::METHOD_NOT_ALLOWED {
            response.headers.extend([header(ALLOW.as_str(), allow)]);
        }
        let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
        if let (Some(schema), Ok(value)) = (schema, serde_json::from_slice::<Value>(&body)) {
            response.examples.insert(name.to_owned(), json!({"summary": title, "value": value}));
            if !response.schemas.contains(&schema) {
                response.schemas.push(schema);
            }
        }
    }
    responses.into_iter().map(|(status, response)| (status.as_str().to_owned(), response.described(status))).collect()
}

impl Response {
    fn described(self, status: StatusCode) -> Value {
        let Self { headers, mut schemas, examples } = self;
        let mut described = json!({"description": meaning(status)});
        if !headers.is_empty() {
            described["headers"] = headers.into();
        }
        let schema = match schemas.len() {
            0 => return described,
            1 => schemas.remove(0),
            _ => json!({"anyOf": schemas}),
        };
        described["content"] = json!({BODIES: {"schema": schema, "examples": examples}});
        described
    }
}

/// The schema of an answer's body.
fn schema(answer: &Answer, schemas: &mut SchemaGenerator) -> Option<Value> {
    let schema = match answer {
        Answer::Accepted { .. } | Answer::Replayed { .. } => schemas.subschema_for::<Accepted>(),
        Answer::Invalid(_) => schemas.subschema_for::<Complaints>(),
        Answer::Lote(_) => schemas.subschema_for::<Lote>(),
        Answer::Cliente(_) => schemas.subschema_for::<Cliente>(),
        Answer::Redirect(_) => return None,
        _ => schemas.subschema_for::<Detail>(),
    };
    Some(schema.to_value())
}

fn headers(headers: &HeaderMap) -> impl Iterator<Item = (String, Value)> {
    let told = [LOCATION, RETRY_AFTER, WWW_AUTHENTICATE, REPLAYED];
    told.into_iter().filter_map(|name| Some(header(name.as_str(), headers.get(&name)?.to_str().ok()?)))
}

fn header(name: &str, example: &str) -> (String, Value) {
    let (spelled, kind, text) = match name {
        "location" => ("Location", "string", "La dirección donde seguir."),
        "retry-after" => ("Retry-After", "integer", "Después de cuántos segundos repetir."),
        "www-authenticate" => ("WWW-Authenticate", "string", "Cómo se presenta la clave."),
        "idempotent-replayed" => ("Idempotent-Replayed", "string", "`true`, si se repite una respuesta anterior."),
        "allow" => ("Allow", "string", "Los métodos que se atienden."),
        other => (other, "string", ""),
    };
    let example =
        if kind == "integer" { example.parse::<u64>().map_or(Value::Null, Value::from) } else { example.into() };
    (spelled.to_owned(), json!({"description": text, "schema": {"type": kind}, "example": example}))
}

fn meaning(status: StatusCode) -> &'static str {
    match status.as_u16() {
        200 => "Lo pedido.",
        202 => "El lote está aceptado.",
        307 => "La dirección es otra: la de `Location`.",
        400 => "El cuerpo no se pudo leer.",
        401 => "Falta una clave de API conocida. No se guardó nada.",
        404 => "No existe.",
        405 => "La dirección existe, pero no con ese método.",
        409 => "La `Idempotency-Key` ya fue aceptada en las últimas 24 horas. No se guardó nada nuevo.",
        413 => "El lote es demasiado grande. No se guardó nada: divídalo.",
        422 => "Hay algo inválido en la petición. No se guardó nada.",
        429 => "Hay demasiadas facturas en espera. No se guardó nada: repita más tarde con la misma clave.",
        503 => {
            "El servicio no está disponible. Repita más tarde; un envío, con la misma clave: no se sabe si fue aceptado."
        }
        _ => "",
    }
}
