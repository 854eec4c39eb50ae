//! What clients may send, and the shape of what they hear of it; the reading itself is caudal-invoice's.

use caudal_invoice::{DECIMALS, MAX_NUMBER_LENGTH, MAX_RUT_LENGTH, WHOLE_DIGITS};
use schemars::JsonSchema;
use serde_json::{Map, Value};

/// The texts that PostgreSQL can hold.
const NO_NUL: &str = r"^[^\u0000]*$";
/// What Rust reads as a finite float.
const NUMBER: &str = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$";
const DATE: &str = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$";
/// 10^16: the first amount that has too many digits.
const TOO_MUCH: i64 = 10_i64.pow(WHOLE_DIGITS as u32);

/// An invoice as clients send it: its schema tells what to send, and `x-tambien` what is taken beside.
#[derive(JsonSchema)]
#[schemars(
    rename = "Factura",
    description = "Una factura. Los cuatro campos son obligatorios; los campos desconocidos se ignoran, y de un campo repetido vale el último."
)]
#[expect(dead_code, reason = "only its schema is used: bodies are read in place")]
pub(crate) struct FacturaEnviada {
    #[schemars(
        length(max = MAX_NUMBER_LENGTH),
        regex(pattern = NO_NUL),
        extend("examples" = ["F-001"]),
        description = format!(
            "El número de la factura: un texto de {MAX_NUMBER_LENGTH} caracteres como máximo, sin el carácter U+0000. \
             Un número JSON no se acepta: `\"1001\"`, no `1001`. Junto con el RUT identifica la factura: la que se \
             recibe última reemplaza a la anterior."
        )
    )]
    numero_factura: String,
    #[schemars(
        length(max = MAX_RUT_LENGTH),
        regex(pattern = NO_NUL),
        extend("examples" = ["11111111-1"], "x-tambien" = ["11.111.111-1", "011111111-1"]),
        description = format!(
            "El RUT del cliente: un texto de {MAX_RUT_LENGTH} caracteres como máximo, sin el carácter U+0000. Los \
             puntos, los ceros a la izquierda y la letra k minúscula no hacen otro cliente: `11.111.111-1` y \
             `11111111-1` son el mismo."
        )
    )]
    rut_cliente: String,
    #[schemars(
        extend(
            "type" = ["number", "string"],
            "pattern" = NUMBER,
            "exclusiveMinimum" = -TOO_MUCH,
            "exclusiveMaximum" = TOO_MUCH,
            "examples" = [1500.5, "1500.50"],
            "x-tambien" = ["1_500.50", "1.5e3", true],
        ),
        description = format!(
            "El monto: un número, o un texto con un número con punto decimal, sin separador de miles (`\"1500.50\"`, no \
             `\"1.500,50\"`). Puede ser negativo. A lo más {WHOLE_DIGITS} dígitos antes del punto; se guardan \
             {DECIMALS} decimales exactos, y los que sobran se redondean al más cercano (al par, si hay empate). \
             `NaN` e infinito no se aceptan."
        )
    )]
    monto: Value,
    #[schemars(
        regex(pattern = DATE),
        extend(
            "format" = "date",
            "examples" = ["2025-08-24"],
            "x-tambien" = ["2025-08-24T00:00:00", "2025-08-24 00:00Z", 1_755_993_600, "1755993600"],
        ),
        description = "La fecha de emisión, `AAAA-MM-DD`, de los años 0001 a 9999. Una fecha con hora solo se acepta si \
                       es medianoche en punto, y un número es un instante Unix, en segundos o milisegundos, que también \
                       debe ser medianoche (UTC)."
    )]
    fecha_emision: String,
}

/// An entry of a 422; [`caudal_invoice::FieldError`] writes it.
#[derive(JsonSchema)]
#[schemars(
    rename = "ValidationError",
    description = "Un campo inválido. Los nombres y textos son los de pydantic 2.5."
)]
#[expect(dead_code, reason = "only its schema is used: the entries are caudal-invoice's")]
pub(crate) struct Queja {
    r#type: Regla,
    #[schemars(
        description = "Dónde está: `body`, la posición de la factura (la primera es la 0) y el campo; o `header` y la cabecera."
    )]
    loc: Vec<Paso>,
    #[schemars(description = "La explicación, en inglés.")]
    msg: String,
    #[schemars(description = "El valor recibido.")]
    input: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Map<String, Value>", description = "Más datos, según la regla.")]
    ctx: Option<Map<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", description = "La página de pydantic que explica la regla.")]
    url: Option<String>,
}

/// A step of an entry's place.
#[derive(JsonSchema)]
#[schemars(inline, untagged, description = "Un nombre o una posición.")]
#[expect(dead_code, reason = "only its schema is used")]
enum Paso {
    Nombre(String),
    Posicion(u64),
}

/// The rules an invoice can break.
#[derive(JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "Regla", description = "La regla que no se cumple.")]
#[expect(dead_code, reason = "only its schema is used: the rules are caudal-invoice's")]
enum Regla {
    #[schemars(description = "Falta el campo, la cabecera o el cuerpo.")]
    Missing,
    #[schemars(description = "El cuerpo no es una lista JSON, o `Content-Type` no dice que lo sea.")]
    ListType,
    #[schemars(description = "Un elemento de la lista no es un objeto.")]
    ModelAttributesType,
    #[schemars(description = "El valor no es un texto.")]
    StringType,
    #[schemars(description = "El texto contiene U+0000 o un surrogate suelto.")]
    StringUnicode,
    #[schemars(description = "El texto es demasiado largo.")]
    StringTooLong,
    #[schemars(description = "El monto no es un número ni un texto.")]
    FloatType,
    #[schemars(description = "El texto del monto no es un número.")]
    FloatParsing,
    #[schemars(description = "El monto es `NaN` o infinito.")]
    FiniteNumber,
    #[schemars(description = "El monto tiene demasiados dígitos antes del punto.")]
    DecimalWholeDigits,
    #[schemars(description = "La fecha no es un texto ni un número.")]
    DateType,
    #[schemars(description = "La fecha no existe o está mal escrita.")]
    DateFromDatetimeParsing,
    #[schemars(description = "La fecha trae una hora distinta de medianoche.")]
    DateFromDatetimeInexact,
    #[schemars(description = "El RUT no es válido; solo donde se verifica el dígito.")]
    ValueError,
    #[schemars(description = "El cuerpo no es JSON; `loc` dice en qué carácter.")]
    JsonInvalid,
}
