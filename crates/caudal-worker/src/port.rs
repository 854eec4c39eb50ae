//! What the worker asks of a queue. The real one stands behind it in every worker, one in memory in the simulation.

use std::future::Future;
use std::time::Duration;

use caudal_queue::{Chunk, Consumer, EntryId, Error, Lease, Queue, Settled, Settlement};

/// The changes a worker makes to what it holds. Each means what [`Queue`]'s method of its name says.
pub(crate) trait Port: Send + Sync + 'static {
    type Lease: Leased;

    fn name(&self) -> &str;
    fn lease_time(&self) -> Duration;
    fn ready(&self) -> impl Future<Output = Result<(), Error>> + Send;
    /// Returns the entries that are lost.
    fn renew(&self, leases: &[&Self::Lease]) -> impl Future<Output = Result<Vec<EntryId>, Error>> + Send;
    fn settle(&self, ends: &[(&Self::Lease, &Settlement)]) -> impl Future<Output = Result<Vec<Settled>, Error>> + Send;
    fn release(&self, leases: &[&Self::Lease]) -> impl Future<Output = Result<(), Error>> + Send;
    fn release_spare(&self, leases: &[&Self::Lease]) -> impl Future<Output = Result<(), Error>> + Send;
    fn split(&self, lease: &Self::Lease, parts: &[Chunk]) -> impl Future<Output = Result<Settled, Error>> + Send;
    fn mark(&self, lease: &Self::Lease) -> impl Future<Output = Result<u32, Error>> + Send;
    fn tidy(&self) -> impl Future<Output = Result<u64, Error>> + Send;
}

/// How a worker comes by leases. Each means what [`Consumer`]'s method of its name says.
pub(crate) trait Reading: Send {
    type Lease: Leased;

    fn name(&self) -> &str;
    fn lease(&mut self, most: usize, block: Duration) -> impl Future<Output = Result<Vec<Self::Lease>, Error>> + Send;
    fn reclaim(&mut self, most: usize) -> impl Future<Output = Result<Reclaimed<Self::Lease>, Error>> + Send;
    fn promote(&mut self) -> impl Future<Output = Result<u64, Error>> + Send;
    fn leave(self) -> impl Future<Output = Result<(), Error>> + Send;
}

/// A chunk in the worker's hands.
pub(crate) trait Leased: Send + Sync + 'static {
    fn seen(&self) -> Seen<'_>;
}

/// What a worker sees of a lease.
#[derive(Clone, Copy)]
pub(crate) struct Seen<'a> {
    pub(crate) id: EntryId,
    pub(crate) payload: &'a [u8],
    pub(crate) count: u32,
    pub(crate) batch: uuid::Uuid,
    pub(crate) position: u32,
    pub(crate) version: i64,
    pub(crate) received_at: chrono::DateTime<chrono::Utc>,
    pub(crate) traceparent: Option<&'a str>,
    pub(crate) deliveries: u32,
    pub(crate) attempts: u32,
    pub(crate) suspect: bool,
}

/// What a reclaim brought: leases, and entries whose content is gone.
#[derive(Debug)]
pub(crate) struct Reclaimed<L> {
    pub(crate) leases: Vec<L>,
    pub(crate) vanished: Vec<EntryId>,
}

impl Port for Queue {
    type Lease = Lease;

    fn name(&self) -> &str {
        self.name().as_str()
    }

    fn lease_time(&self) -> Duration {
        self.lease_time()
    }

    async fn ready(&self) -> Result<(), Error> {
        self.ready().await
    }

    async fn renew(&self, leases: &[&Lease]) -> Result<Vec<EntryId>, Error> {
        Ok(self.renew(leases).await?.into_iter().map(|lease| lease.id).collect())
    }

    async fn settle(&self, ends: &[(&Lease, &Settlement)]) -> Result<Vec<Settled>, Error> {
        self.settle(ends).await
    }

    async fn release(&self, leases: &[&Lease]) -> Result<(), Error> {
        self.release(leases).await
    }

    async fn release_spare(&self, leases: &[&Lease]) -> Result<(), Error> {
        self.release_spare(leases).await
    }

    async fn split(&self, lease: &Lease, parts: &[Chunk]) -> Result<Settled, Error> {
        self.split(lease, parts).await
    }

    async fn mark(&self, lease: &Lease) -> Result<u32, Error> {
        self.mark(lease).await
    }

    async fn tidy(&self) -> Result<u64, Error> {
        self.tidy().await
    }
}

impl Reading for Consumer {
    type Lease = Lease;

    fn name(&self) -> &str {
        self.name()
    }

    async fn lease(&mut self, most: usize, block: Duration) -> Result<Vec<Lease>, Error> {
        self.lease(most, block).await
    }

    async fn reclaim(&mut self, most: usize) -> Result<Reclaimed<Lease>, Error> {
        let caudal_queue::Reclaimed { leases, vanished } = self.reclaim(most).await?;
        Ok(Reclaimed { leases, vanished })
    }

    async fn promote(&mut self) -> Result<u64, Error> {
        self.promote().await
    }

    async fn leave(self) -> Result<(), Error> {
        self.leave().await
    }
}

impl Leased for Lease {
    fn seen(&self) -> Seen<'_> {
        Seen {
            id: self.id,
            payload: &self.payload,
            count: self.count,
            batch: self.batch,
            position: self.position,
            version: self.version,
            received_at: self.received_at,
            traceparent: self.traceparent.as_deref(),
            deliveries: self.deliveries,
            attempts: self.attempts,
            suspect: self.suspect,
        }
    }
}
