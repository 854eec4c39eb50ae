//! The scripts, by name. Each file says who calls it and what it guarantees.

use std::sync::LazyLock;

use redis::Script;

/// The function `owned`: which entries a consumer holds.
const OWNED: &str = include_str!("scripts/owned.lua");
/// The functions `parts_of` and `text_of`: how a batch's status is kept.
const STATUS: &str = include_str!("scripts/status.lua");

/// Every script of the queue, made when it is first called: a controller has a thousand queues and calls one script of each. Sent by
/// digest; a Redis that forgot one is sent it again.
#[derive(Debug)]
pub(crate) struct Scripts {
    pub(crate) admit: LazyLock<Script>,
    pub(crate) backlog: LazyLock<Script>,
    pub(crate) drop_dead: LazyLock<Script>,
    pub(crate) make_group: LazyLock<Script>,
    pub(crate) mark: LazyLock<Script>,
    pub(crate) promote: LazyLock<Script>,
    pub(crate) reclaim: LazyLock<Script>,
    pub(crate) recount: LazyLock<Script>,
    pub(crate) release: LazyLock<Script>,
    pub(crate) renew: LazyLock<Script>,
    pub(crate) retry_dead: LazyLock<Script>,
    pub(crate) settle: LazyLock<Script>,
    pub(crate) split: LazyLock<Script>,
    pub(crate) tidy: LazyLock<Script>,
}

impl Scripts {
    pub(crate) fn new() -> Self {
        Self {
            admit: LazyLock::new(|| Script::new(include_str!("scripts/admit.lua"))),
            backlog: LazyLock::new(|| Script::new(include_str!("scripts/backlog.lua"))),
            drop_dead: LazyLock::new(|| Script::new(include_str!("scripts/drop_dead.lua"))),
            make_group: LazyLock::new(|| Script::new(include_str!("scripts/make_group.lua"))),
            mark: LazyLock::new(|| with(&[OWNED], include_str!("scripts/mark.lua"))),
            promote: LazyLock::new(|| Script::new(include_str!("scripts/promote.lua"))),
            reclaim: LazyLock::new(|| Script::new(include_str!("scripts/reclaim.lua"))),
            recount: LazyLock::new(|| Script::new(include_str!("scripts/recount.lua"))),
            release: LazyLock::new(|| with(&[OWNED], include_str!("scripts/release.lua"))),
            renew: LazyLock::new(|| with(&[OWNED], include_str!("scripts/renew.lua"))),
            retry_dead: LazyLock::new(|| with(&[STATUS], include_str!("scripts/retry_dead.lua"))),
            settle: LazyLock::new(|| with(&[OWNED, STATUS], include_str!("scripts/settle.lua"))),
            split: LazyLock::new(|| with(&[OWNED], include_str!("scripts/split.lua"))),
            tidy: LazyLock::new(|| Script::new(include_str!("scripts/tidy.lua"))),
        }
    }
}

/// A script that calls functions of others; its first line, its flags, must stay the first.
fn with(functions: &[&str], script: &str) -> Script {
    let (flags, body) = script.split_once('\n').unwrap_or((script, ""));
    Script::new(&[&[flags, "\n"], functions, &[body]].concat().concat())
}
