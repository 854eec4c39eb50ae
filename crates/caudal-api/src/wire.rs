//! Everything Spanish: the bodies and texts that clients read.

mod request;

use std::borrow::Cow;

use caudal_invoice::FieldError;
use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use schemars::JsonSchema;
use serde::{Serialize, Serializer};
use uuid::Uuid;

pub(crate) use request::{FacturaEnviada, Queja};

pub(crate) const DUPLICATE: &str = "Transacción duplicada: esta petición ya ha sido recibida.";
pub(crate) const NOT_TEXT: &str = "There was an error parsing the body";
pub(crate) const NOT_FOUND: &str = "Not Found";
pub(crate) const METHOD_NOT_ALLOWED: &str = "Method Not Allowed";
pub(crate) const NO_REQUEST: &str = "Lo recibido no es una petición HTTP completa y bien formada.";
pub(crate) const OTHER_VERSION: &str = "Solo se atienden HTTP/1.1, HTTP/1.0 y HTTP/2.";
pub(crate) const LONG_URI: &str = "La dirección de la petición es demasiado larga.";
pub(crate) const LONG_HEAD: &str = "Las cabeceras de la petición superan el máximo de 64 KiB o de 100 líneas.";
pub(crate) const SLOW: &str = "La petición tardó demasiado en llegar.";
pub(crate) const TOO_LARGE: &str = "El cuerpo de la petición supera el máximo de 8 MiB.";
pub(crate) const TOO_MANY: &str = "La petición supera el máximo de 10.000 facturas.";
pub(crate) const FULL: &str = "Hay demasiadas facturas en espera. Reintente más tarde con la misma Idempotency-Key.";
pub(crate) const UNAVAILABLE: &str =
    "El servicio no está disponible por el momento. Reintente más tarde; una carga, con la misma Idempotency-Key.";
pub(crate) const INTERNAL: &str = "Error interno del servidor.";
pub(crate) const UNAUTHORIZED: &str = "Falta una clave de API válida: Authorization: Bearer <clave>.";
pub(crate) const OTHER_INVOICES: &str = "Esta Idempotency-Key ya fue usada con otras facturas.";
pub(crate) const NO_SUCH_BATCH: &str = "No existe ese lote, o terminó hace más de 24 horas.";
pub(crate) const NO_SUCH_CLIENT: &str = "No existe ese cliente.";
pub(crate) const BAD_PAGE: &str = "limite debe ser un número entero entre 1 y 1000.";

/// Why an invoice is not in the ledger, made from the code of its dead letter; a handler's own code is told as it is.
pub(crate) fn reason(code: &str) -> String {
    let words = match code {
        "numeric_value_out_of_range" => "El monto deja un saldo fuera del rango admitido.",
        "string_data_right_truncation" | "string_data_length_mismatch" | "zero_length_character_string" => {
            "Un texto no tiene un largo admitido."
        }
        "character_not_in_repertoire" | "untranslatable_character" => "Un texto contiene un carácter no admitido.",
        "invalid_datetime_format" | "datetime_field_overflow" => "La fecha no es admitida.",
        "data_exception"
        | "invalid_parameter_value"
        | "invalid_text_representation"
        | "invalid_binary_representation"
        | "null_value_not_allowed"
        | "division_by_zero" => "Un dato no es admitido.",
        "integrity_constraint_violation"
        | "restrict_violation"
        | "not_null_violation"
        | "foreign_key_violation"
        | "unique_violation"
        | "check_violation"
        | "exclusion_violation" => "La factura no cumple una regla del registro.",
        "program_limit_exceeded" | "statement_too_complex" | "too_many_columns" | "too_many_arguments" => {
            "La factura es demasiado grande para el registro."
        }
        "damaged" => "La factura llegó dañada al registro.",
        "attempts_exhausted" => "El registro de la factura falló demasiadas veces.",
        "kills_its_worker" => "La factura interrumpe al proceso que la registra.",
        other => return format!("Rechazada al registrarla: {other}."),
    };
    words.to_owned()
}

/// The body of a 202.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Aceptado", description = "El lote quedó guardado y se procesará.")]
pub(crate) struct Accepted {
    #[schemars(description = "Siempre `OK`.", extend("const" = "OK"))]
    status: &'static str,
    #[schemars(description = "Cuántas facturas se recibieron.")]
    detail: String,
}

impl Accepted {
    pub(crate) fn of(count: u64) -> Self {
        Self { status: "OK", detail: format!("{count} facturas recibidas y encoladas para procesamiento.") }
    }
}

/// The body of every refusal but a 422 for invalid fields.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Detalle", description = "Por qué la petición no se atendió.")]
pub(crate) struct Detail {
    #[schemars(description = "La razón, en palabras.")]
    pub(crate) detail: Cow<'static, str>,
}

/// The body of a 422 for invalid fields.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "HTTPValidationError", description = "Qué hay de inválido en la petición.")]
pub(crate) struct Complaints {
    #[schemars(
        with = "Vec<Queja>",
        length(min = 1),
        description = "Una entrada por cada campo inválido, en el orden de la petición."
    )]
    pub(crate) detail: Vec<FieldError>,
}

/// What became of a batch.
#[derive(Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(description = "Qué ha sido de un lote.")]
pub(crate) struct Lote {
    #[schemars(description = "El identificador del lote, el de la cabecera `Location`.")]
    pub(crate) id: Uuid,
    pub(crate) estado: Estado,
    #[schemars(description = "Facturas que trajo el lote.")]
    pub(crate) recibidas: u64,
    #[schemars(description = "Facturas registradas hasta ahora.")]
    pub(crate) registradas: u64,
    #[schemars(
        description = "Facturas que no cambiaron nada: ya estaban registradas con el mismo contenido, o ya hay una versión más nueva."
    )]
    pub(crate) sin_cambios: u64,
    #[schemars(
        length(max = 1000),
        description = "Facturas que no se pudieron registrar; se muestran 1.000 como máximo. Una que se corrige y se registra después deja la lista."
    )]
    pub(crate) rechazadas: Vec<Rechazada>,
    #[serde(serialize_with = "instant")]
    #[schemars(with = "DateTime<Utc>", description = "Cuándo se recibió el lote (UTC).")]
    pub(crate) recibido_en: DateTime<Utc>,
    #[serde(serialize_with = "optional_instant")]
    #[schemars(
        with = "Option<DateTime<Utc>>",
        description = "Cuándo terminó de procesarse (UTC); `null` mientras falten facturas."
    )]
    pub(crate) terminado_en: Option<DateTime<Utc>>,
}

/// How far a batch is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(description = "Hasta dónde ha llegado el lote.")]
pub(crate) enum Estado {
    #[schemars(description = "Ninguna de sus facturas está resuelta todavía.")]
    Encolado,
    #[schemars(description = "Algunas de sus facturas están resueltas.")]
    Procesando,
    #[schemars(description = "Todas están resueltas y ninguna fue rechazada.")]
    Procesado,
    #[schemars(description = "Todas están resueltas y al menos una fue rechazada.")]
    ConErrores,
}

/// An invoice that is not in the ledger, and why.
#[derive(Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(description = "Una factura que no se pudo registrar.")]
pub(crate) struct Rechazada {
    #[schemars(description = "Su posición en el lote; la primera es la 0.")]
    pub(crate) posicion: u32,
    #[schemars(description = "Su número.")]
    pub(crate) numero_factura: String,
    #[schemars(description = "Por qué, en palabras.")]
    pub(crate) motivo: String,
}

/// A client and a page of its invoices; amounts are texts, for they are exact.
#[derive(Serialize, JsonSchema)]
#[schemars(description = "Un cliente y una página de sus facturas.")]
pub(crate) struct Cliente {
    #[schemars(description = "El RUT del cliente: sin puntos, sin ceros a la izquierda, con K mayúscula.")]
    pub(crate) rut: String,
    #[schemars(description = "La suma exacta de los montos de todas sus facturas, como texto con cuatro decimales.")]
    pub(crate) saldo: String,
    #[schemars(description = "Las facturas de esta página, por orden de número.")]
    pub(crate) facturas: Vec<Factura>,
    #[schemars(description = "El valor de `desde` que pide la página siguiente; `null` en la última.")]
    pub(crate) siguiente: Option<String>,
}

/// An invoice of the ledger.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "FacturaRegistrada", description = "Una factura registrada, en su versión vigente.")]
pub(crate) struct Factura {
    #[schemars(description = "El número, tal como se recibió.")]
    pub(crate) numero_factura: String,
    #[schemars(description = "El RUT, tal como se recibió.")]
    pub(crate) rut_cliente: String,
    #[schemars(description = "El monto exacto, como texto con cuatro decimales.")]
    pub(crate) monto: String,
    #[schemars(description = "La fecha de emisión.")]
    pub(crate) fecha_emision: NaiveDate,
    #[schemars(description = "El lote que trajo esta versión.")]
    pub(crate) lote: Uuid,
    #[serde(serialize_with = "instant")]
    #[schemars(with = "DateTime<Utc>", description = "Cuándo se recibió esta versión (UTC).")]
    pub(crate) recibido_en: DateTime<Utc>,
}

fn instant<S: Serializer>(time: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&time.to_rfc3339_opts(SecondsFormat::Millis, true))
}

#[expect(clippy::ref_option, reason = "the signature is serde's")]
fn optional_instant<S: Serializer>(time: &Option<DateTime<Utc>>, serializer: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => instant(time, serializer),
        None => serializer.serialize_none(),
    }
}
