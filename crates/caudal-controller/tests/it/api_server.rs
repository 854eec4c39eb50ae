//! An API server that is away, slow, busy or wrong: nothing is forgotten, and it is not pressed.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use caudal_testkit::Redis;
use http::{Method, Request, Response, StatusCode};
use kube::Client;
use kube::client::Body;
use serde_json::json;

use crate::world::{Controller, World, enqueue, queue, quick, redis_cli};

/// So many objects are hit at the same time.
const OBJECTS: usize = 10;

/// The way to the API server, with what goes wrong on it.
#[derive(Clone, Default)]
struct Road(Arc<Mutex<Traffic>>);

#[derive(Default)]
struct Traffic {
    fault: Option<Fault>,
    /// When each request came while there was a fault; but for those of Leases.
    asked: Vec<Instant>,
}

#[derive(Clone, Copy)]
enum Fault {
    /// No connection, for anybody.
    Away,
    /// Answers late, but for Leases.
    Slow(Duration),
    /// Answers this to everything but Leases, and when to ask again, in seconds.
    Refusing(u16, Option<u64>),
    /// Answers this to writes of replicas.
    RefusingScale(u16),
    /// Answers this to who asks for a Secret.
    RefusingSecrets(u16),
    /// Has forgotten what happened.
    Gone,
}

impl Road {
    fn over(&self, client: Client) -> Client {
        let (road, namespace) = (self.clone(), client.default_namespace().to_owned());
        let service = tower::service_fn(move |request: Request<Body>| {
            let (road, client) = (road.clone(), client.clone());
            async move {
                match road.meets(&request) {
                    Some(Fault::Away) => Err(kube::Error::Service("no connection".into())),
                    Some(Fault::Slow(time)) => {
                        tokio::time::sleep(time).await;
                        client.send(request).await
                    }
                    Some(Fault::Refusing(code, again)) => Ok(refusal(code, again)),
                    Some(Fault::RefusingScale(code) | Fault::RefusingSecrets(code)) => Ok(refusal(code, None)),
                    Some(Fault::Gone) => Ok(refusal(410, None)),
                    None => client.send(request).await,
                }
            }
        });
        Client::new(service, namespace)
    }

    /// What happens to a request.
    fn meets(&self, request: &Request<Body>) -> Option<Fault> {
        let mut traffic = self.0.lock().unwrap();
        let fault = traffic.fault?;
        let lease = request.uri().path().contains("/leases");
        if !lease {
            traffic.asked.push(Instant::now());
        }
        let hit = match fault {
            Fault::Away => true,
            Fault::Slow(_) | Fault::Refusing(..) => !lease,
            Fault::RefusingScale(_) => request.method() == Method::PATCH && request.uri().path().ends_with("/scale"),
            Fault::RefusingSecrets(_) => request.uri().path().contains("/secrets/"),
            Fault::Gone => request.uri().query().is_some_and(|query| query.contains("watch=true")),
        };
        hit.then_some(fault)
    }

    fn breaks(&self, fault: Fault) {
        *self.0.lock().unwrap() = Traffic { fault: Some(fault), asked: Vec::new() };
    }

    /// Answers when the requests came since it broke.
    fn heals(&self) -> Vec<Instant> {
        std::mem::take(&mut *self.0.lock().unwrap()).asked
    }
}

fn refusal(code: u16, again: Option<u64>) -> Response<Body> {
    let status = json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure", "message": "no", "code": code });
    let mut answer = Response::builder().status(StatusCode::from_u16(code).unwrap());
    if let Some(again) = again {
        answer = answer.header("retry-after", again);
    }
    answer.body(Body::from(status.to_string().into_bytes())).unwrap()
}

/// Objects of one queue, and a controller behind this road that knows them.
async fn many(world: &World, redis: &Redis, road: &Road) -> Controller {
    for number in 0..OBJECTS {
        let name = format!("w{number}");
        world.deployment(&name, 0).await;
        let mut spec = quick(&redis.url());
        spec["scaleTargetRef"]["name"] = json!(name);
        world.scaler(&name, spec).await;
    }
    let over = road.clone();
    let controller = world.controller_over(move |client| over.over(client));
    for number in 0..OBJECTS {
        world.until_condition(&format!("w{number}"), "Active", "False").await;
    }
    controller
}

async fn until_all(world: &World, replicas: u32) {
    for number in 0..OBJECTS {
        world.until_replicas(&format!("w{number}"), replicas).await;
    }
}

/// Work comes while the API server fails for so long. Answers when it was asked for things in that time, from its beginning, and how long
/// after it all was right.
async fn outlives(fault: Fault, time: Duration) -> (Vec<Duration>, Duration) {
    let world = World::new().await;
    let (redis, road) = (Redis::start().await.unwrap(), Road::default());
    let controller = many(&world, &redis, &road).await;
    let begun = Instant::now();
    road.breaks(fault);
    enqueue(&queue(&redis), 100).await;
    tokio::time::sleep(time).await;
    let asked = road.heals();
    let healed = Instant::now();
    until_all(&world, 20).await;
    let right = healed.elapsed();
    world.until_condition("w0", "Ready", "True").await;
    controller.stop().await;
    (asked.into_iter().map(|at| at.duration_since(begun)).collect(), right)
}

#[tokio::test]
async fn an_api_server_that_is_away_is_asked_gently_and_all_is_right_when_it_is_back() {
    let (asked, right) = outlives(Fault::Away, Duration::from_secs(6)).await;
    println!("asked {} times; all is right {right:?} after its end", asked.len());
    assert!(asked.len() < 8 * OBJECTS, "asked {} times", asked.len());
}

#[tokio::test]
async fn an_api_server_that_answers_500_is_asked_gently_and_all_is_right_when_it_is_well() {
    let (asked, right) = outlives(Fault::Refusing(500, None), Duration::from_secs(6)).await;
    println!("asked {} times; all is right {right:?} after its end", asked.len());
    assert!(asked.len() < 10 * OBJECTS, "asked {} times", asked.len());
}

#[tokio::test]
async fn an_api_server_that_says_when_to_ask_again_is_not_asked_before() {
    let (asked, right) = outlives(Fault::Refusing(429, Some(5)), Duration::from_secs(6)).await;
    println!("asked {} times; all is right {right:?} after its end", asked.len());
    let first = *asked.first().unwrap();
    let early: Vec<_> = asked.iter().filter(|at| (0.6..4.9).contains(&(**at - first).as_secs_f64())).collect();
    assert!(early.is_empty(), "asked before its time: {early:?}");
}

#[tokio::test]
async fn a_conflict_at_each_write_does_not_end_in_a_hurry() {
    let (asked, right) = outlives(Fault::RefusingScale(409), Duration::from_secs(5)).await;
    println!("asked {} times; all is right {right:?} after its end", asked.len());
    // Each is decided anew five times at once, with a write and a look each, and then only after a pause.
    assert!(asked.len() < 45 * OBJECTS, "asked {} times", asked.len());
}

#[tokio::test]
async fn a_slow_api_server_is_waited_for() {
    let (asked, right) = outlives(Fault::Slow(Duration::from_millis(1_500)), Duration::from_secs(6)).await;
    println!("asked {} times; all is right {right:?} after its end", asked.len());
    assert!(asked.len() < 12 * OBJECTS, "asked {} times", asked.len());
}

#[tokio::test]
async fn an_api_server_that_takes_longer_than_a_leadership_stands_is_written_to_all_the_same() {
    let world = World::new().await;
    let (redis, road) = (Redis::start().await.unwrap(), Road::default());
    let controller = many(&world, &redis, &road).await;
    road.breaks(Fault::Slow(Duration::from_millis(2_500)));
    enqueue(&queue(&redis), 100).await;
    until_all(&world, 20).await;
    road.heals();
    controller.stop().await;
}

#[tokio::test]
async fn writes_that_fail_for_long_are_told() {
    let world = World::new().await;
    let (redis, road) = (Redis::start().await.unwrap(), Road::default());
    let controller = many(&world, &redis, &road).await;
    for (code, told) in [(500, "the API server does not answer to Deployment/w0: "), (409, "changed meanwhile")] {
        road.breaks(Fault::RefusingScale(code));
        world.patch("w0", json!({ "replicas": code })).await;
        let (reason, message) = world.until_condition("w0", "Ready", "False").await;
        assert_eq!(reason, "ApiServerUnavailable");
        assert!(message.contains(told), "{message}");
        road.heals();
        world.until_replicas("w0", code.into()).await;
        world.until_condition("w0", "Ready", "True").await;
    }
    controller.stop().await;
}

#[tokio::test]
async fn a_secret_that_cannot_be_asked_for_is_not_taken_to_be_missing() {
    let world = World::new().await;
    let (redis, road) = (Redis::start().await.unwrap(), Road::default());
    enqueue(&queue(&redis), 5).await;
    redis_cli(&redis, &["CONFIG", "SET", "requirepass", "secret"]).await;
    world.kubectl(&["create", "secret", "generic", "redis", "--from-literal=it=secret"]).await;
    world.deployment("worker", 0).await;
    let mut spec = quick(&redis.url());
    spec["source"]["caudal"]["redis"]["passwordSecret"] = json!({ "name": "redis", "key": "it" });
    world.scaler("x", spec).await;
    road.breaks(Fault::RefusingSecrets(500));
    let over = road.clone();
    let controller = world.controller_over(move |client| over.over(client));
    let (reason, message) = world.until_condition("x", "Ready", "False").await;
    assert_eq!(reason, "SourceUnavailable");
    assert_eq!(message, "the Redis password: the API server does not answer to Secret/redis");
    road.heals();
    world.until_replicas("worker", 1).await;
    controller.stop().await;
}

#[tokio::test]
async fn a_watch_whose_past_is_gone_lists_anew_and_misses_nothing() {
    let world = World::new().await;
    let (redis, road) = (Redis::start().await.unwrap(), Road::default());
    let controller = many(&world, &redis, &road).await;
    road.breaks(Fault::Gone);
    world.kubectl(&["delete", "deployment/w0", "--wait=false"]).await;
    world.deployment("w0", 7).await;
    world.patch("w1", json!({ "replicas": 3 })).await;
    world.until_replicas("w1", 3).await;
    world.until_replicas("w0", 0).await;
    let asked = road.heals();
    assert!(asked.len() < 20 * OBJECTS, "asked {} times", asked.len());
    enqueue(&queue(&redis), 100).await;
    world.until_replicas("w0", 20).await;
    controller.stop().await;
}

#[tokio::test]
async fn an_api_server_that_freezes_is_followed_on() {
    let world = World::alone().await;
    let redis = Redis::start().await.unwrap();
    let controller = world.scaled_by(&redis).await;
    world.until_condition("x", "Active", "False").await;
    world.plane.pause().unwrap();
    enqueue(&queue(&redis), 100).await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    world.plane.resume().unwrap();
    let back = Instant::now();
    world.until_replicas("worker", 20).await;
    println!("right {:?} after the freeze", back.elapsed());
    controller.stop().await;
}
