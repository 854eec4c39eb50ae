//! The scripts, by name. Each file says who calls it and what it guarantees.

use redis::Script;

/// The function `owned`: which entries a consumer holds.
const OWNED: &str = include_str!("scripts/owned.lua");
/// The functions `parts_of` and `set_status`: how a batch's status is kept.
const STATUS: &str = include_str!("scripts/status.lua");

/// Every script of the queue. Sent by digest; a Redis that forgot one is sent it again.
#[derive(Debug)]
pub(crate) struct Scripts {
    pub(crate) admit: Script,
    pub(crate) backlog: Script,
    pub(crate) drop_dead: Script,
    pub(crate) make_group: Script,
    pub(crate) mark: Script,
    pub(crate) promote: Script,
    pub(crate) reclaim: Script,
    pub(crate) recount: Script,
    pub(crate) release: Script,
    pub(crate) renew: Script,
    pub(crate) retry_dead: Script,
    pub(crate) settle: Script,
    pub(crate) split: Script,
    pub(crate) tidy: Script,
}

impl Scripts {
    pub(crate) fn new() -> Self {
        Self {
            admit: Script::new(include_str!("scripts/admit.lua")),
            backlog: Script::new(include_str!("scripts/backlog.lua")),
            drop_dead: Script::new(include_str!("scripts/drop_dead.lua")),
            make_group: Script::new(include_str!("scripts/make_group.lua")),
            mark: with(&[OWNED], include_str!("scripts/mark.lua")),
            promote: Script::new(include_str!("scripts/promote.lua")),
            reclaim: Script::new(include_str!("scripts/reclaim.lua")),
            recount: Script::new(include_str!("scripts/recount.lua")),
            release: with(&[OWNED], include_str!("scripts/release.lua")),
            renew: with(&[OWNED], include_str!("scripts/renew.lua")),
            retry_dead: with(&[STATUS], include_str!("scripts/retry_dead.lua")),
            settle: with(&[OWNED, STATUS], include_str!("scripts/settle.lua")),
            split: with(&[OWNED], include_str!("scripts/split.lua")),
            tidy: Script::new(include_str!("scripts/tidy.lua")),
        }
    }
}

/// A script that calls functions of others; its first line, its flags, must stay the first.
fn with(functions: &[&str], script: &str) -> Script {
    let (flags, body) = script.split_once('\n').unwrap_or((script, ""));
    Script::new(&[&[flags, "\n"], functions, &[body]].concat().concat())
}
