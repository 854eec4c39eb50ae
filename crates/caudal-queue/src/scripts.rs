//! The scripts, by name. Each file says who calls it and what it guarantees.

use redis::Script;

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
            mark: by_owner(include_str!("scripts/mark.lua")),
            promote: Script::new(include_str!("scripts/promote.lua")),
            reclaim: Script::new(include_str!("scripts/reclaim.lua")),
            recount: Script::new(include_str!("scripts/recount.lua")),
            release: by_owner(include_str!("scripts/release.lua")),
            renew: by_owner(include_str!("scripts/renew.lua")),
            retry_dead: Script::new(include_str!("scripts/retry_dead.lua")),
            settle: by_owner(include_str!("scripts/settle.lua")),
            split: by_owner(include_str!("scripts/split.lua")),
            tidy: Script::new(include_str!("scripts/tidy.lua")),
        }
    }
}

/// A script that asks what its caller owns, by the function in `owned.lua`; the first line, its flags, must stay the first.
fn by_owner(script: &str) -> Script {
    let (flags, body) = script.split_once('\n').unwrap_or((script, ""));
    Script::new(&[flags, "\n", include_str!("scripts/owned.lua"), body].concat())
}
