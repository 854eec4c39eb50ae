//! One key, one acceptance.

use reqwest::StatusCode;

use crate::client::invoices;
use crate::long::setting;
use crate::stack::Stack;

const CONCURRENT: usize = 50;

#[tokio::test(flavor = "multi_thread")]
async fn of_fifty_concurrent_requests_with_one_key_over_two_apis_one_is_accepted() {
    let stack = Stack::start().await;
    let (first, second) = tokio::join!(stack.api(), stack.api());
    let clients = [first.client, second.client];
    for round in 0..setting("ONE_KEY_ROUNDS", 100) {
        let key = format!("key-{round}");
        let batch = invoices(&key, 1);
        let requests = (0..CONCURRENT).zip(clients.iter().cycle()).map(|(_, client)| client.post(&key, &batch));
        let answers = futures_util::future::join_all(requests).await;
        let count = |status| answers.iter().filter(|answer| answer.status == status).count();
        assert_eq!((count(StatusCode::ACCEPTED), count(StatusCode::CONFLICT)), (1, CONCURRENT - 1), "round {round}");
        let locations: std::collections::BTreeSet<_> = answers.iter().map(|answer| &answer.location).collect();
        assert_eq!(locations.len(), 1, "all are told the one batch: {locations:?}");
    }
}
