//! The page for people: one HTML file without scripts, made of the document alone.

mod fields;
mod json;
mod text;

use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde_json::Value;

use fields::fields;
use json::Order;
use text::{markdown, sections, slug};

/// The page's style, of which the content policy tells the digest.
pub(super) const STYLE: &str = include_str!("page/style.css");

/// A document, as the page reads it.
#[derive(Clone, Copy)]
struct Reader<'d> {
    document: &'d Value,
    order: &'d Order<'d>,
}

/// The page of a document.
pub(super) fn render(document: &Value) -> String {
    let order = Order::of(document);
    let reader = Reader { document, order: &order };
    let info = &document["info"];
    let page = html! {
        (DOCTYPE)
        html lang="es" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="description" content=(string(&info["summary"]));
                title { (string(&info["title"])) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    h1 { (string(&info["title"])) }
                    p { (string(&info["summary"])) }
                    p.small { "Versión " (string(&info["version"])) " · " a href="openapi.json" { "openapi.json" } " (OpenAPI 3.1)" }
                }
                nav aria-label="Contenido" { (reader.contents()) }
                main {
                    @for (title, text) in sections(string(&info["description"])) {
                        section id=(slug(title)) { h2 { (title) } (markdown(text)) }
                    }
                    @for operation in reader.operations() { (reader.operation(&operation)) }
                }
            }
        }
    };
    page.into_string()
}

/// An operation of the document and its place there.
struct Place<'d> {
    method: &'d str,
    path: &'d str,
    told: &'d Value,
}

impl<'d> Reader<'d> {
    /// The operations in the order of their tags.
    fn operations(self) -> Vec<Place<'d>> {
        let tags = list(&self.document["tags"]).iter().map(|tag| &tag["name"]);
        let all: Vec<_> = members(&self.document["paths"])
            .flat_map(|(path, methods)| members(methods).map(move |(method, told)| Place { method, path, told }))
            .collect();
        let mut ordered = Vec::new();
        for tag in tags {
            let mut tagged: Vec<_> = all.iter().filter(|place| place.told["tags"][0] == *tag).collect();
            tagged.sort_by_key(|place| place.told["requestBody"].is_null());
            ordered.extend(tagged.into_iter().map(|Place { method, path, told }| Place { method, path, told }));
        }
        ordered
    }

    fn contents(self) -> Markup {
        html! {
            ul {
                @for (title, _) in sections(string(&self.document["info"]["description"])) {
                    li { a href={ "#" (slug(title)) } { (title) } }
                }
                @for place in self.operations() {
                    li { a href={ "#" (string(&place.told["operationId"])) } { (place.name()) } }
                }
            }
        }
    }

    fn operation(self, place: &Place<'d>) -> Markup {
        let told = place.told;
        html! {
            section id=(string(&told["operationId"])) {
                h2 { (place.name()) }
                p.lead { (string(&told["summary"])) }
                (markdown(string(&told["description"])))
                @if !list(&told["parameters"]).is_empty() {
                    h3 { "Parámetros" }
                    dl { @for parameter in list(&told["parameters"]) { (fields::parameter(parameter)) } }
                }
                @if let Some(body) = content(&told["requestBody"]) { (self.body(body, told)) }
                h3 { "La petición" }
                @for sample in list(&told["x-codeSamples"]) {
                    h4 { (string(&sample["label"])) }
                    pre { code { (string(&sample["source"])) } }
                }
                h3 { "Respuestas" }
                @for (status, response) in members(&told["responses"]) { (self.response(status, response, told)) }
            }
        }
    }

    fn body(self, body: &'d Value, told: &'d Value) -> Markup {
        html! {
            h3 { "Cuerpo" }
            p {
                (markdown(string(&told["requestBody"]["description"]))) " "
                (markdown(string(&self.resolve(&body["schema"]["items"])["description"])))
            }
            (fields(self, &body["schema"]))
            h4 { "Ejemplos" }
            @for (_, example) in members(&body["examples"]).filter(|(name, _)| !is_refused(told, name)) {
                (self.example(example, None))
            }
        }
    }

    fn response(self, status: &str, response: &'d Value, told: &'d Value) -> Markup {
        let requests = content(&told["requestBody"]).map(|body| &body["examples"]);
        html! {
            details.response {
                summary { span class={ "status s" (&status[..1]) } { (status) } " " (markdown(string(&response["description"]))) }
                @if let Some(headers) = response["headers"].as_object() {
                    h4 { "Cabeceras" }
                    dl { @for (name, header) in headers { (fields::header(name, header)) } }
                }
                @if let Some(body) = content(response) {
                    h4 { "Cuerpo" }
                    (fields(self, &body["schema"]))
                    @let examples: Vec<_> = members(&body["examples"]).collect();
                    h4 { @if examples.len() == 1 { "Ejemplo" } @else { "Ejemplos" } }
                    @for (name, example) in &examples {
                        @let request = requests.and_then(|requests| requests.get(*name));
                        @if examples.len() == 1 { pre { code { (self.order.pretty(&example["value"])) } } }
                        @else { (self.example(example, request)) }
                    }
                }
            }
        }
    }

    /// An example, with the request that is answered so where there is one.
    fn example(self, example: &'d Value, request: Option<&'d Value>) -> Markup {
        html! {
            details.example {
                summary { (string(&example["summary"])) }
                @if let Some(request) = request {
                    p.small { "Se envía:" }
                    pre { code { (self.order.pretty(&request["value"])) } }
                    p.small { "Se responde:" }
                }
                pre { code { (self.order.pretty(&example["value"])) } }
            }
        }
    }

    /// What a reference means.
    fn resolve(self, schema: &'d Value) -> &'d Value {
        let pointer = schema["$ref"].as_str().and_then(|reference| reference.strip_prefix('#'));
        pointer.and_then(|pointer| self.document.pointer(pointer)).unwrap_or(schema)
    }
}

impl Place<'_> {
    fn name(&self) -> Markup {
        html! { span.method { (self.method.to_uppercase()) } " " span.path { (self.path) } }
    }
}

fn is_refused(told: &Value, name: &str) -> bool {
    members(&told["responses"])
        .filter(|(status, _)| *status >= "400")
        .any(|(_, response)| content(response).is_some_and(|body| body["examples"].get(name).is_some()))
}

fn content(message: &Value) -> Option<&Value> {
    message["content"].as_object()?.values().next()
}

fn string(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn members(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_object().into_iter().flatten().map(|(name, value)| (name.as_str(), value))
}
