//! The documents themselves.

use std::path::Path;
use std::{env, fs};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use caudal_invoice::{RutCheck, parse_batch};
use jsonschema::Validator;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::openapi::document;
use super::{Documents, Offer, page};

const EVERYTHING: Offer = Offer { keys: true, replay: true, strict_rut: true };

fn offers() -> Vec<Offer> {
    let both = [false, true];
    let pairs = both.into_iter().flat_map(|keys| both.map(|replay| (keys, replay)));
    pairs.flat_map(|(keys, replay)| both.map(|strict_rut| Offer { keys, replay, strict_rut })).collect()
}

/// A schema of the document, with everything it refers to.
fn validator(document: &Value, schema: &Value) -> Validator {
    let mut whole = json!({"components": document["components"], "allOf": [schema]});
    whole["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    jsonschema::validator_for(&whole).unwrap()
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

/// Every message of the document that has content: its place, its schema, its examples.
fn contents(document: &Value) -> Vec<(String, &Value, &Value)> {
    let mut contents = Vec::new();
    for (path, methods) in members(&document["paths"]) {
        for (method, operation) in members(methods) {
            let answers = members(&operation["responses"]).map(|(status, response)| (status.as_str(), response));
            for (name, message) in answers.chain([("body", &operation["requestBody"])]) {
                let content = &message["content"]["application/json"];
                if !content.is_null() {
                    contents.push((format!("{method} {path} {name}"), &content["schema"], &content["examples"]));
                }
            }
        }
    }
    contents
}

#[tokio::test]
async fn the_document_in_the_repository_is_the_one_the_code_makes() {
    let made = document(Offer { keys: true, ..Offer::default() }).await;
    let made = serde_json::to_string_pretty(&made).unwrap() + "\n";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
    if env::var_os("UPDATE_OPENAPI").is_some() {
        fs::write(&path, &made).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(found == made, "UPDATE_OPENAPI=1 cargo test -p caudal-api docs writes {}", path.display());
}

#[tokio::test]
async fn every_example_of_an_answer_and_every_accepted_body_fits_its_schema() {
    for offer in offers() {
        let document = document(offer).await;
        let refused = contents(&document).into_iter().find(|(place, ..)| place == "post /facturas/ 422").unwrap().2;
        let mut count = 0;
        for (place, schema, examples) in contents(&document) {
            let validator = validator(&document, schema);
            // No schema knows of check digits.
            for (name, example) in members(examples).filter(|(name, _)| *name != "rut_invalido") {
                let is_fit = place != "post /facturas/ body" || refused.get(name).is_none();
                let error = validator.validate(&example["value"]).err();
                assert_eq!(error.is_none(), is_fit, "{place} {name}: {error:?}");
                count += 1;
            }
        }
        assert!(count > 40, "{count} examples");
    }
}

#[tokio::test]
async fn the_schema_of_an_invoice_has_the_fields_that_are_read_in_their_order() {
    let document = document(Offer::default()).await;
    let refusal = parse_batch(None, b"[{}]", RutCheck::Lax).unwrap_err();
    let caudal_invoice::Refusal::Invalid(complaints) = refusal else { panic!("{refusal:?}") };
    let missing: Vec<_> = complaints.iter().map(|complaint| json!(complaint)["loc"][2].clone()).collect();
    let invoice = &document["components"]["schemas"]["Factura"];
    assert_eq!(invoice["required"], json!(missing));
    assert_eq!(members(&invoice["properties"]).count(), missing.len());
}

#[tokio::test]
async fn no_comment_of_the_code_is_told_to_clients() {
    let schemas = document(EVERYTHING).await["components"].to_string();
    for english in [" the ", " of ", " an ", " is "] {
        assert!(!schemas.contains(english), "{english}");
    }
}

#[tokio::test]
async fn every_form_of_a_field_is_taken() {
    let document = document(Offer::default()).await;
    let accepted =
        &contents(&document).into_iter().find(|(place, ..)| place == "post /facturas/ body").unwrap().2["dos_facturas"];
    let validator = validator(&document, &json!({"$ref": "#/components/schemas/Factura"}));
    for (name, field) in members(&document["components"]["schemas"]["Factura"]["properties"]) {
        let of = |forms: &str| field[forms].as_array().cloned().unwrap_or_default();
        assert!(!of("examples").is_empty(), "{name} has no example");
        for (form, is_recommended) in of("examples")
            .into_iter()
            .map(|form| (form, true))
            .chain(of("x-tambien").into_iter().map(|form| (form, false)))
        {
            let mut invoice = accepted["value"][0].clone();
            invoice[name] = form.clone();
            assert!(!is_recommended || validator.is_valid(&invoice), "{name}: {form} does not fit the schema");
            let read = parse_batch(None, json!([invoice]).to_string().as_bytes(), RutCheck::Strict);
            assert!(read.is_ok(), "{name}: {form} is not taken: {read:?}");
        }
    }
}

#[tokio::test]
async fn every_rule_has_an_example() {
    let document = document(EVERYTHING).await;
    let refused = contents(&document).into_iter().find(|(place, ..)| place == "post /facturas/ 422").unwrap().2;
    let shown: Vec<_> = members(refused)
        .flat_map(|(_, example)| example["value"]["detail"].as_array().cloned().unwrap_or_default())
        .map(|entry| entry["type"].clone())
        .collect();
    for rule in document["components"]["schemas"]["Regla"]["oneOf"].as_array().unwrap() {
        assert!(shown.contains(&rule["const"]), "{} has no example", rule["const"]);
    }
}

#[tokio::test]
async fn the_page_tells_every_field_status_and_limit() {
    for offer in offers() {
        let document = document(offer).await;
        let page = page::render(&document);
        for (name, schema) in members(&document["components"]["schemas"]) {
            for (field, _) in members(&schema["properties"]) {
                assert!(page.contains(&format!("<code class=\"name\">{field}</code>")), "{name}.{field}");
            }
        }
        for (path, methods) in members(&document["paths"]) {
            assert!(page.contains(&format!("<span class=\"path\">{path}</span>")), "{path}");
            for (status, _) in members(methods).flat_map(|(_, operation)| members(&operation["responses"])) {
                assert!(page.contains(&format!(">{status}</span>")), "{path} {status}");
            }
        }
        for limit in ["200 caracteres", "50 caracteres", "16 dígitos", "10.000", "8 MiB", "24 horas", "Retry-After"] {
            assert!(page.contains(limit), "{limit}");
        }
        assert_eq!(page.contains("Bearer"), offer.keys);
        assert_eq!(page.contains("Idempotent-Replayed"), offer.replay);
        assert_eq!(page.contains("Dígito verificador"), offer.strict_rut);
    }
}

#[tokio::test]
async fn the_page_asks_for_nothing_and_runs_nothing() {
    let page = page::render(&document(EVERYTHING).await);
    for forbidden in ["src=", "<script", "<link", "<img", "<iframe", "url(", "@import", "style=", "onclick", "onload"] {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
    for reference in page.split("href=\"").skip(1) {
        assert!(reference.starts_with('#') || reference.starts_with("openapi.json\""), "{:.40}", reference);
    }
    for anchor in page.split("href=\"#").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(page.contains(&format!("id=\"{anchor}\"")), "{anchor} leads nowhere");
    }
}

#[tokio::test]
async fn the_pages_policy_allows_its_own_style_alone() {
    let documents = Documents::of(Offer::default()).await;
    let page = String::from_utf8(documents.page.to_vec()).unwrap();
    let style = page.split_once("<style>").unwrap().1.split_once("</style>").unwrap().0;
    let digest = BASE64_STANDARD.encode(Sha256::digest(style));
    let policy = documents.policy.to_str().unwrap();
    assert!(policy.starts_with(&format!("default-src 'none'; style-src 'sha256-{digest}'; ")), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
}
