//! `caudal dev` on a laptop.

use std::time::Duration;

use caudal_testkit::{Output, Process};

use crate::stack::Stack;

#[tokio::test(flavor = "multi_thread")]
async fn dev_once_ends_well_when_the_whole_sample_is_in_the_ledger() {
    let stack = Stack::start().await;
    let dev = Process::start(&stack.command(&["dev", "--once", "--port", "0"]), Output::Inherit).unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(60), dev.wait()).await.unwrap().unwrap();
    assert!(ended.success(), "{ended}");
    assert!(stack.ask("SELECT count(*) FROM invoices").await.unwrap().parse::<u32>().unwrap() > 2_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn dev_once_fails_when_an_invoice_of_the_sample_is_refused() {
    let stack = Stack::start().await;
    stack.ask("ALTER TABLE invoices ADD CHECK (number <> 'F-002')").await.unwrap();
    let dev = Process::start(&stack.command(&["dev", "--once", "--port", "0"]), Output::Inherit).unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(60), dev.wait()).await.unwrap().unwrap();
    assert!(!ended.success(), "{ended}");
}
