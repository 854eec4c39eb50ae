//! The fields of a schema, each with what may stand there.

use maud::{Markup, html};
use serde_json::Value;

use super::{Reader, list, markdown, string};

/// The fields of a schema, and of what it refers to.
pub(super) fn fields(reader: Reader<'_>, schema: &Value) -> Markup {
    let schema = reader.resolve(schema);
    let required = list(&schema["required"]);
    html! {
        @let alternatives = list(&schema["anyOf"]).iter().filter(|part| reader.resolve(part)["properties"].is_object());
        @for (at, part) in alternatives.enumerate() {
            @if at > 0 { p.small { "o bien" } }
            (fields(reader, part))
        }
        @if schema["items"].is_object() { (fields(reader, &schema["items"])) }
        @if schema["properties"].is_object() {
            dl {
                @for (name, field) in reader.order.members(&schema["properties"]) {
                    (described(reader, name, field, required.iter().any(|required| required == name)))
                }
            }
        }
        (choices(schema))
    }
}

fn described(reader: Reader<'_>, name: &str, field: &Value, is_required: bool) -> Markup {
    let meant = reader.resolve(field);
    let text = field.get("description").unwrap_or_else(|| &meant["description"]);
    html! {
        dt {
            code.name { (name) } " " span.kind { (kind(field)) }
            @if !is_required { " " span.kind { "(no siempre)" } }
        }
        dd {
            (markdown(string(text)))
            (forms("Por ejemplo", &field["examples"]))
            (forms("También se acepta", &field["x-tambien"]))
            (fields(reader, field))
        }
    }
}

/// A parameter of an operation.
pub(super) fn parameter(parameter: &Value) -> Markup {
    let place = match string(&parameter["in"]) {
        "header" => "cabecera",
        "query" => "consulta",
        _ => "dirección",
    };
    let schema = &parameter["schema"];
    html! {
        dt {
            code.name { (string(&parameter["name"])) } " "
            span.kind { (place) ", " (kind(schema)) @if parameter["required"] != true { ", opcional" } }
        }
        dd {
            (markdown(string(&parameter["description"])))
            @if let (Some(least), Some(most)) = (schema["minimum"].as_i64(), schema["maximum"].as_i64()) {
                " De " (least) " a " (most) "."
            }
            @if let Some(default) = schema["default"].as_i64() { " Si falta, " (default) "." }
        }
    }
}

/// A header of an answer.
pub(super) fn header(name: &str, header: &Value) -> Markup {
    html! {
        dt { code.name { (name) } }
        dd { (markdown(string(&header["description"]))) " Por ejemplo " code { (plain(&header["example"])) } "." }
    }
}

fn forms(words: &str, values: &Value) -> Markup {
    html! {
        @if !list(values).is_empty() {
            p.small {
                (words) ": "
                @for (at, value) in list(values).iter().enumerate() {
                    @if at > 0 { ", " }
                    code { (value) }
                }
            }
        }
    }
}

/// The values of an enumeration.
fn choices(schema: &Value) -> Markup {
    html! {
        @if !list(&schema["oneOf"]).is_empty() {
            ul.choices {
                @for choice in list(&schema["oneOf"]) {
                    li { code { (plain(&choice["const"])) } " " (markdown(string(&choice["description"]))) }
                }
            }
        }
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// What kind of value a schema takes, in words.
pub(super) fn kind(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|reference| reference.rsplit('/').next()) {
        return name.to_owned();
    }
    let alternatives = list(&schema["anyOf"]);
    if !alternatives.is_empty() {
        return alternatives.iter().map(kind).collect::<Vec<_>>().join(" o ");
    }
    let types = match &schema["type"] {
        Value::Array(types) => types.iter().map(string).collect(),
        Value::String(only) => vec![only.as_str()],
        _ => Vec::new(),
    };
    if types.is_empty() {
        return "cualquier valor".to_owned();
    }
    types.into_iter().map(|kind| word(kind, schema)).collect::<Vec<_>>().join(" o ")
}

fn word(kind: &str, schema: &Value) -> String {
    let word = match (kind, schema["format"].as_str()) {
        ("string", Some("date")) => "fecha",
        ("string", Some("date-time")) => "fecha y hora",
        ("string", Some("uuid")) => "UUID",
        ("string", _) => "texto",
        ("number", _) => "número",
        ("integer", _) => "entero",
        ("null", _) => "null",
        ("array", _) => return format!("lista de {}", kind_of_items(schema)),
        _ => "objeto",
    };
    word.to_owned()
}

fn kind_of_items(schema: &Value) -> String {
    let most = schema["maxItems"].as_u64().map(|most| format!(", {most} como máximo")).unwrap_or_default();
    format!("{}{most}", kind(&schema["items"]))
}
