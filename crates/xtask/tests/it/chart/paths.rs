//! The policies of the network allow the connections that the parts make, and no others.

use std::net::Ipv4Addr;

use serde_json::{Map, Value, json};

use super::helm::{helm, objects, rendered, text};

/// A connection that is allowed: whose, to what, at which port.
type Path = (&'static str, &'static str, u16);

/// A pod that may or may not be the release's, and where it runs.
#[derive(Clone)]
struct Pod {
    namespace: &'static str,
    address: Ipv4Addr,
    labels: Value,
}

fn part(component: &str) -> Pod {
    let instance = json!({ "app.kubernetes.io/name": "caudal", "app.kubernetes.io/instance": "caudal" });
    let mut labels = instance;
    labels["app.kubernetes.io/component"] = component.into();
    Pod { namespace: "invoices", address: Ipv4Addr::new(10, 0, 0, 1), labels }
}

fn other(namespace: &'static str, name: &str, address: [u8; 4]) -> Pod {
    Pod { namespace, address: address.into(), labels: json!({ "app.kubernetes.io/name": name }) }
}

/// Who is not of the release and calls its parts.
fn callers() -> [(&'static str, Pod); 3] {
    let pod = |namespace, name| other(namespace, name, [10, 0, 0, 2]);
    [
        ("prometheus", pod("monitoring", "prometheus")),
        ("gateway", pod("ingress-nginx", "ingress-nginx")),
        ("stranger", pod("invoices", "stranger")),
    ]
}

/// What is not of the release and is called by its parts, each at its ports.
fn outside() -> [(&'static str, Pod, &'static [u16]); 6] {
    [
        ("names", other("kube-system", "dns", [10, 0, 0, 3]), &[53]),
        ("collector", other("observability", "collector", [10, 0, 0, 4]), &[4317]),
        ("kubernetes", other("default", "apiserver", [10, 0, 0, 5]), &[443, 6443]),
        ("stores", other("shop", "stores", [10, 20, 0, 7]), &[5432, 6379, 6380]),
        ("elsewhere", other("shop", "elsewhere", [10, 21, 0, 7]), &[5432, 6379, 6380]),
        ("web", other("shop", "web", [10, 20, 0, 8]), &[80, 8000, 9090]),
    ]
}

/// Every connection that the policies allow between these parts, to them, and from them.
fn allowed(policies: &[Value], parts: &[&'static str]) -> Vec<Path> {
    let mut allowed = Vec::new();
    let parts: Vec<(&str, Pod)> = parts.iter().map(|name| (*name, part(name))).collect();
    for (caller, from) in parts.iter().cloned().chain(callers()) {
        for (target, to) in &parts {
            let ports = [5432, 6379, 8000, 9090].into_iter().filter(|port| connects(policies, &from, to, *port));
            allowed.extend(ports.map(|port| (caller, *target, port)));
        }
    }
    for (caller, from) in &parts {
        for (target, to, ports) in outside() {
            let ports = ports.iter().filter(|port| leaves(policies, from, &to, **port));
            allowed.extend(ports.map(|port| (*caller, target, *port)));
        }
    }
    allowed.sort_unstable();
    allowed
}

#[track_caller]
fn assert_allowed(objects: Vec<Value>, parts: &[&'static str], wanted: &[&[Path]]) {
    let policies: Vec<Value> = objects.into_iter().filter(|object| object["kind"] == "NetworkPolicy").collect();
    let mut wanted = wanted.concat();
    wanted.sort_unstable();
    assert_eq!(allowed(&policies, parts), wanted);
}

const ALL: [&str; 6] = ["api", "worker", "controller", "redis", "postgresql", "test"];
/// Between the parts of a release that has its own stores, and to them.
const INSIDE: [Path; 9] = [
    ("api", "redis", 6379),
    ("api", "postgresql", 5432),
    ("worker", "redis", 6379),
    ("worker", "postgresql", 5432),
    ("controller", "redis", 6379),
    ("test", "api", 8000),
    ("prometheus", "api", 9090),
    ("prometheus", "worker", 9090),
    ("prometheus", "controller", 9090),
];
const NAMES: [Path; 4] =
    [("api", "names", 53), ("worker", "names", 53), ("controller", "names", 53), ("test", "names", 53)];
const KUBERNETES: [Path; 2] = [("controller", "kubernetes", 443), ("controller", "kubernetes", 6443)];
/// Where nothing says who the clients are.
const ANYONE: [Path; 3] = [("prometheus", "api", 8000), ("gateway", "api", 8000), ("stranger", "api", 8000)];
/// Where nothing says where the other queues' Redis is.
const ANY_REDIS: [Path; 2] = [("controller", "stores", 6379), ("controller", "elsewhere", 6379)];

#[test]
fn with_everything_on_the_parts_reach_what_they_must_and_nothing_else() {
    let collector = [("api", "collector", 4317), ("worker", "collector", 4317), ("controller", "collector", 4317)];
    let gateway = [("gateway", "api", 8000)];
    let wanted: [&[Path]; 6] = [&INSIDE, &NAMES, &KUBERNETES, &ANY_REDIS, &collector, &gateway];
    assert_allowed(rendered("full-values.yaml"), &ALL, &wanted);
}

#[test]
fn without_named_clients_anyone_may_send_and_nothing_else() {
    let set = ["--set", "auth.existingSecret=passwords,networkPolicy.enabled=true"];
    assert_allowed(template(&set), &ALL, &[&INSIDE, &NAMES, &KUBERNETES, &ANYONE]);
}

#[test]
fn stores_outside_are_reached_where_they_are_said_to_be() {
    let stores = [
        ("api", "stores", 6380),
        ("worker", "stores", 6380),
        ("api", "stores", 5432),
        ("worker", "stores", 5432),
        // Nothing is said of PostgreSQL.
        ("api", "elsewhere", 5432),
        ("worker", "elsewhere", 5432),
    ];
    let inside = [("test", "api", 8000), ("prometheus", "api", 9090), ("prometheus", "worker", 9090)];
    let names = [("api", "names", 53), ("worker", "names", 53), ("test", "names", 53)];
    let parts = ["api", "worker", "test"];
    assert_allowed(rendered("external-values.yaml"), &parts, &[&stores, &inside, &names, &ANYONE]);

    let values = ["--values", "charts/caudal/ci/external-scaled-values.yaml", "--set", "networkPolicy.enabled=true"];
    let redis = ["--set", "networkPolicy.redis.to[0].ipBlock.cidr=10.20.0.0/16,networkPolicy.redis.ports={6380}"];
    let controller = [("controller", "stores", 6380), ("prometheus", "controller", 9090)];
    let parts = ["api", "worker", "controller", "test"];
    let wanted: [&[Path]; 6] = [&stores, &controller, &inside, &NAMES, &KUBERNETES, &ANYONE];
    assert_allowed(template(&[&values[..], &redis].concat()), &parts, &wanted);
}

#[test]
fn a_controller_alone_reaches_kubernetes_and_redis() {
    let others = [("controller", "names", 53), ("prometheus", "controller", 9090)];
    assert_allowed(rendered("controller-only-values.yaml"), &["controller"], &[&KUBERNETES, &ANY_REDIS, &others]);
}

fn template(more: &[&str]) -> Vec<Value> {
    let template = ["template", "caudal", "charts/caudal", "--namespace", "invoices"];
    objects(&text(helm("helm").args(template).args(more)))
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
    if let Some(block) = peer["ipBlock"]["cidr"].as_str() {
        return is_within(block, pod.address);
    }
    let namespace = match &peer["namespaceSelector"] {
        Value::Null => pod.namespace == "invoices",
        selector => selects(selector, &json!({ "kubernetes.io/metadata.name": pod.namespace })),
    };
    namespace && selects(&peer["podSelector"], &pod.labels)
}

fn is_within(block: &str, address: Ipv4Addr) -> bool {
    let (first, length) = block.split_once('/').unwrap();
    let beyond = 32 - length.parse::<u32>().unwrap();
    let (first, address) = (first.parse::<Ipv4Addr>().unwrap().to_bits(), address.to_bits());
    first >> beyond == address >> beyond
}

/// Whether the labels are among those of a selector, where an absent one selects all.
fn selects(selector: &Value, labels: &Value) -> bool {
    let none = Map::new();
    let wanted = selector["matchLabels"].as_object().unwrap_or(&none);
    wanted.iter().all(|(label, value)| &labels[label] == value)
}
