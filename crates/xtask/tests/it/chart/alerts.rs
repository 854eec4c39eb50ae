//! Alerts and dashboard ask for metrics that exist, in words that Prometheus understands.

use std::collections::BTreeSet;
use std::fs;

use promql_parser::label::{MatchOp, Matchers};
use promql_parser::parser::{self, Expr, LabelModifier, VectorSelector};
use promql_parser::util::{ExprVisitor, walk_expr};
use serde_json::Value;

use super::helm::{objects, rendered, root};

/// The metrics and labels of the reference, which the programs themselves write.
fn known() -> (BTreeSet<String>, BTreeSet<String>) {
    let page = fs::read_to_string(root().join("deploy/reference.md")).unwrap();
    let (_, table) = page.split_once("<!-- begin metrics -->").unwrap();
    let (table, _) = table.split_once("<!-- end metrics -->").unwrap();
    let (mut metrics, mut labels) = (BTreeSet::new(), BTreeSet::new());
    for row in table.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let name = cells[1].trim_matches('`').to_owned();
        if cells[2] == "histogram" {
            metrics.extend(["_bucket", "_sum", "_count"].map(|part| format!("{name}{part}")));
            labels.insert("le".to_owned());
        }
        metrics.insert(name);
        labels.extend(cells[3].split(',').map(|label| label.trim().trim_matches('`').to_owned()));
    }
    assert!(metrics.len() > 20, "{metrics:?}");
    (metrics, labels)
}

#[test]
fn every_alert_is_about_metrics_that_exist() {
    let plain = objects(&fs::read_to_string(root().join("deploy/prometheus-alerts.yaml")).unwrap());
    let rules: Vec<Value> = ["full-values.yaml", "controller-only-values.yaml"]
        .iter()
        .flat_map(|values| rendered(values))
        .filter(|object| object["kind"] == "PrometheusRule")
        .map(|rule| rule["spec"].clone())
        .chain(plain)
        .flat_map(|rules| rules["groups"][0]["rules"].as_array().unwrap().clone())
        .collect();
    assert!(rules.len() > 25, "{rules:?}");
    let guide = fs::read_to_string(root().join("deploy/README.md")).unwrap();
    for rule in rules {
        assert_known(rule["expr"].as_str().unwrap());
        let name = rule["alert"].as_str().unwrap();
        assert!(guide.contains(&format!("### {name}\n")), "{name} is not in the operators' guide");
        let place = format!("deploy/README.md#{}", name.to_lowercase());
        assert!(rule["annotations"]["runbook_url"].as_str().unwrap().ends_with(&place), "{rule}");
        for text in ["summary", "description"] {
            assert!(rule["annotations"][text].as_str().is_some_and(|text| !text.is_empty()), "{rule}");
        }
    }
}

/// There is no release to be named after, and there may be several.
#[test]
fn the_plain_alerts_tell_one_caudal_and_one_queuescaler_from_another() {
    let plain = objects(&fs::read_to_string(root().join("deploy/prometheus-alerts.yaml")).unwrap());
    let has = |labels: &[String], wanted: &[&str]| wanted.iter().all(|one| labels.iter().any(|label| label == one));
    let rules = plain[0]["groups"][0]["rules"].as_array().unwrap();
    assert!(rules.len() > 15, "{rules:?}");
    for rule in rules {
        let asked = asked_for(rule["expr"].as_str().unwrap());
        let pinned: Vec<&String> =
            asked.pinned.iter().filter(|label| !["role", "reason"].contains(&label.as_str())).collect();
        assert!(pinned.is_empty(), "{rule}: {pinned:?}");
        assert!(asked.groups.iter().all(|labels| has(labels, &["namespace", "job"])), "{rule}: {:?}", asked.groups);
        let of_objects = asked.metrics.iter().any(|metric| metric.starts_with("caudal_queuescaler_"));
        assert!(
            !of_objects || asked.groups.iter().all(|labels| has(labels, &["exported_namespace", "name"])),
            "{rule}"
        );
        // What is absent has no labels at all: of one that is gone while another is there, only an aggregate tells.
        assert!(!asked.functions.iter().any(|name| name == "absent"), "{rule}");
        let of_all = asked.functions.iter().any(|name| name == "absent_over_time");
        assert!(!of_all || !asked.groups.is_empty(), "{rule}");
    }
}

#[test]
fn every_panel_is_about_metrics_that_exist() {
    let dashboard: Value =
        serde_json::from_slice(&fs::read(root().join("charts/caudal/dashboards/caudal.json")).unwrap()).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    assert!(panels.len() > 10, "{panels:?}");
    for target in panels.iter().flat_map(|panel| panel["targets"].as_array().unwrap()) {
        let asked = target["expr"].as_str().unwrap().replace("$__rate_interval", "1m");
        assert_known(&asked);
    }
}

fn asked_for(asked: &str) -> AskedFor {
    let expression = parser::parse(asked).unwrap_or_else(|error| panic!("{asked}: {error}"));
    let mut asked_for = AskedFor::default();
    walk_expr(&mut asked_for, &expression).unwrap();
    asked_for
}

fn assert_known(asked: &str) {
    let asked_for = asked_for(asked);
    assert!(!asked_for.metrics.is_empty(), "{asked}");
    let (metrics, labels) = known();
    let added = ["namespace", "exported_namespace", "job", "pod"].map(str::to_owned);
    for metric in asked_for.metrics {
        assert!(metrics.contains(&metric), "{asked}: no metric {metric}");
    }
    for label in asked_for.labels {
        assert!(labels.contains(&label) || added.contains(&label), "{asked}: no label {label}");
    }
}

#[derive(Default)]
struct AskedFor {
    metrics: Vec<String>,
    labels: Vec<String>,
    /// Labels that must have one value.
    pinned: Vec<String>,
    /// What each aggregate keeps apart.
    groups: Vec<Vec<String>>,
    functions: Vec<String>,
}

impl AskedFor {
    fn add(&mut self, selector: &VectorSelector) {
        self.metrics.extend(selector.name.clone());
        let Matchers { matchers, .. } = &selector.matchers;
        self.labels.extend(matchers.iter().map(|matcher| matcher.name.clone()));
        let pinned = matchers.iter().filter(|matcher| matches!(matcher.op, MatchOp::Equal | MatchOp::Re(_)));
        self.pinned.extend(pinned.map(|matcher| matcher.name.clone()));
    }

    fn name(&mut self, modifier: Option<&LabelModifier>) {
        self.labels.extend(modifier.iter().flat_map(|modifier| modifier.labels().labels.clone()));
    }
}

impl ExprVisitor for AskedFor {
    type Error = std::convert::Infallible;

    fn pre_visit(&mut self, expression: &Expr) -> Result<bool, Self::Error> {
        match expression {
            Expr::VectorSelector(selector) => self.add(selector),
            Expr::MatrixSelector(range) => self.add(&range.vs),
            Expr::Aggregate(aggregate) => {
                self.name(aggregate.modifier.as_ref());
                self.groups.push(match &aggregate.modifier {
                    Some(LabelModifier::Include(labels)) => labels.labels.clone(),
                    _ => Vec::new(),
                });
            }
            Expr::Call(call) => self.functions.push(call.func.name.to_owned()),
            Expr::Binary(pair) => self.name(pair.modifier.as_ref().and_then(|modifier| modifier.matching.as_ref())),
            _ => {}
        }
        Ok(true)
    }
}
