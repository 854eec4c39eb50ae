//! The scripts, by name. Each file says who calls it and what it guarantees.

use redis::Script;

/// Every script of the queue. Sent by digest; a Redis that forgot one is sent it again.
#[derive(Debug)]
pub(crate) struct Scripts {
    pub(crate) admit: Script,
    pub(crate) reclaim: Script,
    pub(crate) renew: Script,
    pub(crate) settle: Script,
    pub(crate) release: Script,
    pub(crate) backlog: Script,
}

impl Scripts {
    pub(crate) fn new() -> Self {
        Self {
            admit: Script::new(include_str!("scripts/admit.lua")),
            reclaim: Script::new(include_str!("scripts/reclaim.lua")),
            renew: Script::new(include_str!("scripts/renew.lua")),
            settle: Script::new(include_str!("scripts/settle.lua")),
            release: Script::new(include_str!("scripts/release.lua")),
            backlog: Script::new(include_str!("scripts/backlog.lua")),
        }
    }
}
