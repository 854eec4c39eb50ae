//! The workers as processes, as many as the plan asks for: what the controller does in a cluster, on a laptop.

use std::time::Duration;

use caudal_queue::Queue;
use caudal_scaling::{Decision, History, Load, Observation, Policy, plan};
use chrono::Utc;
use futures_util::future::try_join_all;
use tokio_util::sync::CancellationToken;

use super::process::Process;
use super::screen::Screen;

/// How often the queue is looked at.
const TICK: Duration = Duration::from_millis(250);

/// Keeps the workers at the number the backlog needs.
pub(super) struct Workers {
    queue: Queue,
    policy: Policy,
    environment: Vec<(&'static str, String)>,
    screen: Screen,
    running: Vec<Process>,
    started: u32,
}

impl Workers {
    /// No worker yet.
    pub(super) fn new(queue: Queue, policy: Policy, environment: Vec<(&'static str, String)>, screen: Screen) -> Self {
        Self { queue, policy, environment, screen, running: Vec::new(), started: 0 }
    }

    /// Scales until `shutdown`, then stops every worker once it has finished what it holds.
    pub(super) async fn run(mut self, shutdown: CancellationToken) -> anyhow::Result<()> {
        let mut history = History::default();
        let mut ticks = tokio::time::interval(TICK);
        while shutdown.run_until_cancelled(ticks.tick()).await.is_some() {
            self.running.retain_mut(Process::is_running);
            let observation = Observation { current: self.count()?, ready: None, load: self.load().await };
            let decision = plan(&self.policy, &mut history, &observation, Utc::now());
            self.apply(decision).await?;
        }
        self.scale_down_to(0).await
    }

    async fn load(&self) -> Option<Load> {
        let backlog = self.queue.backlog().await.ok()?;
        let busy = u32::try_from(backlog.busy_consumers).unwrap_or(u32::MAX);
        let due = backlog.invoices.saturating_sub(backlog.retry_invoices);
        let (arrived, finished) = (backlog.invoices.saturating_add(backlog.settled), backlog.settled);
        let (arrived, finished) = (Some(arrived), Some(finished));
        Some(Load { backlog: due, busy, next_due: backlog.next_due, arrived, finished })
    }

    async fn apply(&mut self, decision: Decision) -> anyhow::Result<()> {
        let current = self.count()?;
        if decision.replicas == current {
            return Ok(());
        }
        self.screen.say(format!("workers {current} -> {}: {decision}", decision.replicas));
        while self.count()? < decision.replicas {
            self.start()?;
        }
        self.scale_down_to(usize::try_from(decision.replicas)?).await
    }

    fn start(&mut self) -> anyhow::Result<()> {
        self.started += 1;
        let name = format!("worker-{}", self.started);
        let arguments = ["worker", "--ops-listen", "127.0.0.1:0"];
        self.running.push(Process::start(name, &arguments, &self.environment, &self.screen)?);
        Ok(())
    }

    async fn scale_down_to(&mut self, count: usize) -> anyhow::Result<()> {
        let surplus = self.running.split_off(count.min(self.running.len()));
        try_join_all(surplus.into_iter().map(Process::stop)).await?;
        Ok(())
    }

    fn count(&self) -> anyhow::Result<u32> {
        Ok(u32::try_from(self.running.len())?)
    }
}
