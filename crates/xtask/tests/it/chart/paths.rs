//! The policies of the network allow the connections that the parts make, and no others.

use serde_json::{Map, Value, json};

use super::helm::rendered;

/// A pod that may or may not be the release's, and where it runs.
#[derive(Clone)]
struct Pod {
    namespace: &'static str,
    labels: Value,
}

fn part(component: &str) -> Pod {
    let instance = json!({ "app.kubernetes.io/name": "caudal", "app.kubernetes.io/instance": "caudal" });
    let mut labels = instance;
    labels["app.kubernetes.io/component"] = component.into();
    Pod { namespace: "invoices", labels }
}

fn other(namespace: &'static str, name: &str) -> Pod {
    Pod { namespace, labels: json!({ "app.kubernetes.io/name": name }) }
}

#[test]
fn the_parts_reach_each_other_where_they_must_and_nowhere_else() {
    let policies = policies("full-values.yaml");
    let prometheus = other("monitoring", "prometheus");
    let gateway = other("ingress-nginx", "ingress-nginx");
    let stranger = other("invoices", "stranger");
    let parts = ["api", "worker", "controller", "redis", "postgresql", "test"];
    let mut allowed = Vec::new();
    let callers = parts.iter().map(|name| (*name, part(name)));
    let callers = callers.chain([("prometheus", prometheus), ("gateway", gateway), ("stranger", stranger)]);
    for (caller, from) in callers {
        for target in parts {
            for port in [5432, 6379, 8000, 9090] {
                if connects(&policies, &from, &part(target), port) {
                    allowed.push((caller, target, port));
                }
            }
        }
    }
    let wanted = [
        ("api", "redis", 6379),
        ("api", "postgresql", 5432),
        ("worker", "redis", 6379),
        ("worker", "postgresql", 5432),
        ("controller", "redis", 6379),
        ("test", "api", 8000),
        ("prometheus", "api", 9090),
        ("prometheus", "worker", 9090),
        ("prometheus", "controller", 9090),
        ("gateway", "api", 8000),
    ];
    assert_eq!(allowed, wanted);
}

#[test]
fn what_is_outside_is_reached_by_those_who_need_it() {
    let policies = policies("full-values.yaml");
    let (server, collector, redis) =
        (other("default", "apiserver"), other("observability", "collector"), other("shop", "redis"));
    let may = |component: &str, to: &Pod, port| leaves(&policies, &part(component), to, port);
    assert!(may("controller", &server, 6443) && !may("api", &server, 6443) && !may("worker", &server, 443));
    for component in ["api", "worker", "controller"] {
        assert!(may(component, &collector, 4317) && may(component, &other("kube-system", "dns"), 53), "{component}");
    }
    assert!(may("controller", &redis, 6379) && !may("worker", &redis, 6379));
    for store in ["redis", "postgresql"] {
        assert!(!may(store, &server, 443) && !may(store, &other("kube-system", "dns"), 53), "{store}");
    }
}

fn policies(render: &str) -> Vec<Value> {
    rendered(render).into_iter().filter(|object| object["kind"] == "NetworkPolicy").collect()
}

/// Whether a connection passes the policies at both of its ends.
fn connects(policies: &[Value], from: &Pod, to: &Pod, port: u16) -> bool {
    leaves(policies, from, to, port) && side(policies, to, ("ingress", "from"), from, port)
}

fn leaves(policies: &[Value], from: &Pod, to: &Pod, port: u16) -> bool {
    side(policies, from, ("egress", "to"), to, port)
}

/// As the API defines it: a pod that no policy selects is open, one that some select may do what any of them allows.
fn side(policies: &[Value], pod: &Pod, (rules, peers): (&str, &str), peer: &Pod, port: u16) -> bool {
    let selecting: Vec<&Value> = policies
        .iter()
        .filter(|policy| pod.namespace == "invoices" && selects(&policy["spec"]["podSelector"], &pod.labels))
        .collect();
    let allows = |rule: &Value| {
        let ports = rule["ports"].as_array().is_none_or(|ports| ports.iter().any(|one| one["port"] == port));
        let peers = rule[peers].as_array().is_none_or(|all| all.iter().any(|one| is(one, peer)));
        ports && peers
    };
    selecting.is_empty() || selecting.iter().any(|policy| policy["spec"][rules].as_array().unwrap().iter().any(allows))
}

fn is(peer: &Value, pod: &Pod) -> bool {
    let namespace = match &peer["namespaceSelector"] {
        Value::Null => pod.namespace == "invoices",
        selector => selects(selector, &json!({ "kubernetes.io/metadata.name": pod.namespace })),
    };
    namespace && selects(&peer["podSelector"], &pod.labels)
}

/// Whether the labels are among those of a selector, where an absent one selects all.
fn selects(selector: &Value, labels: &Value) -> bool {
    let none = Map::new();
    let wanted = selector["matchLabels"].as_object().unwrap_or(&none);
    wanted.iter().all(|(label, value)| &labels[label] == value)
}
