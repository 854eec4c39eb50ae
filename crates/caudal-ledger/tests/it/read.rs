//! Reading a client back, page by page.

use crate::world::{World, decimal, entry};

#[tokio::test]
async fn a_client_is_read_in_pages_by_any_spelling_of_its_rut() {
    let world = World::start().await;
    let numbers = ["10", "9", "á", "A", "a"];
    let entries: Vec<_> =
        (1..).zip(numbers).map(|(version, number)| entry("011.111.111-k", number, "0.0001", version)).collect();
    world.ledger.record(&entries).await.unwrap();

    let mut seen = Vec::new();
    let mut from = Some(String::new());
    while let Some(start) = from {
        let client = world.ledger.client("11111111-K", &start, 2).await.unwrap().unwrap();
        assert_eq!((client.rut.as_str(), client.balance, client.count), ("11111111-K", decimal("0.0005"), 5));
        assert!(client.invoices.len() <= 2);
        assert!(client.invoices.iter().all(|invoice| invoice.rut == "011.111.111-k"));
        seen.extend(client.invoices.into_iter().map(|invoice| invoice.number));
        from = client.next;
    }
    assert_eq!(seen, ["10", "9", "A", "a", "á"]);
}

#[tokio::test]
async fn an_unknown_client_is_none() {
    let world = World::start().await;
    assert_eq!(world.ledger.client("1-9", "", 10).await.unwrap(), None);
}
