//! The listeners and their life.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use caudal_ledger::Ledger;
use caudal_queue::Queue;
use caudal_telemetry::ops::{self, Probes};
use tokio::net::{TcpListener, TcpSocket};
use tokio_util::sync::CancellationToken;

use crate::callers::Callers;
use crate::docs::{Documents, Offer};
use crate::metrics::{self, Metrics};
use crate::pressure::Pressure;
use crate::room::Room;
use crate::router::{self, Service};
use crate::{InvalidKeys, OnDuplicate, Options, RutCheck, server};

/// How often Redis is looked at until it is fit.
const LOOK: Duration = Duration::from_millis(500);
/// Connections that may wait to be taken; the system may allow fewer.
const BACKLOG: u32 = 4096;

/// Why the API does not serve.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An address cannot be had.
    #[error("CAUDAL_LISTEN: cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The address for probes and operators cannot be had; the text says why.
    #[error(transparent)]
    Ops(io::Error),
    /// The API keys cannot be taken.
    #[error("CAUDAL_API_KEYS_FILE: given {:?}, allowed a file of `name:key` lines", .file)]
    Keys {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        source: InvalidKeys,
    },
    /// The listener for probes and operators broke.
    #[error("no more connections can be taken")]
    Accept(#[source] io::Error),
}

/// The two sockets: one for clients, one for probes and operators.
#[derive(Debug)]
pub struct Listeners {
    public: TcpListener,
    ops: TcpListener,
    address: SocketAddr,
    ops_address: SocketAddr,
}

impl Listeners {
    /// Takes the addresses of the options.
    ///
    /// # Errors
    /// [`Error::Listen`] where one cannot be had, for example because another program has it.
    pub async fn bind(options: &Options) -> Result<Self, Error> {
        let address = options.listen;
        let refused = |source| Error::Listen { address, source };
        let public = listen(address).map_err(refused)?;
        let address = public.local_addr().map_err(refused)?;
        let ops = options.ops.bind().await.map_err(Error::Ops)?;
        let ops_address = ops.local_addr().map_err(Error::Ops)?;
        Ok(Self { public, ops, address, ops_address })
    }

    /// The address for clients, with the port that was given where the options leave it to the system (port 0).
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address for probes and operators.
    #[must_use]
    pub fn ops_address(&self) -> SocketAddr {
        self.ops_address
    }
}

/// Where many clients come at once, they wait to be taken.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // As every server's: an address is free as soon as its last owner is gone.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Serves until `shutdown`; then takes no more connections, and ends when the requests under way are
/// answered, or after the grace of the limits.
///
/// # Errors
/// [`Error::Keys`] where the file of API keys is wrong, [`Error::Accept`] where the operators' listener breaks.
pub async fn serve(
    listeners: Listeners,
    options: &Options,
    queue: Queue,
    ledger: Ledger,
    shutdown: CancellationToken,
) -> Result<(), Error> {
    let probes = Probes::new();
    let metrics = Metrics::default();
    let registry = metrics::registry_with(&metrics, &queue, &ledger);
    let callers = callers(options).await?;
    let pressure = Arc::new(Pressure::default());
    let service = service(options, &queue, &ledger, pressure.clone(), callers.clone());
    let routes = router::public(service, Documents::of(offer(options)).await, metrics.clone());
    tracing::info!(address = %listeners.address, ops.address = %listeners.ops_address, "listening");
    // The probes answer until the last request is done.
    let done = CancellationToken::new();
    let clients = async {
        server::run(listeners.public, routes, options.limits, metrics.clone(), &shutdown).await;
        done.cancel();
    };
    let operators =
        ops::serve(listeners.ops, router::ops(ledger, metrics.clone()), probes.clone(), registry, done.clone());
    let fitness = done.run_until_cancelled(become_ready(&queue, &probes));
    let pressed = done.run_until_cancelled(pressure.follow(&queue));
    let keys = async {
        if let Some(callers) = callers {
            done.run_until_cancelled(callers.follow()).await;
        }
    };
    let ((), operators, ..) = tokio::join!(clients, operators, fitness, pressed, keys);
    operators.map_err(Error::Accept)
}

fn service(
    options: &Options,
    queue: &Queue,
    ledger: &Ledger,
    pressure: Arc<Pressure>,
    callers: Option<Arc<Callers>>,
) -> Service {
    Service {
        queue: queue.clone(),
        ledger: ledger.clone(),
        max_backlog: options.max_backlog,
        pressure,
        callers,
        on_duplicate: options.on_duplicate,
        rut_check: options.rut_check.into(),
        body_limit: options.limits.body,
        room: Room::of(options.limits.body_bytes),
    }
}

fn offer(options: &Options) -> Offer {
    Offer {
        keys: options.api_keys_file.is_some(),
        replay: options.on_duplicate == OnDuplicate::Replay,
        strict_rut: options.rut_check == RutCheck::Strict,
    }
}

async fn callers(options: &Options) -> Result<Option<Arc<Callers>>, Error> {
    let Some(file) = &options.api_keys_file else { return Ok(None) };
    let refused = |source| Error::Keys { file: file.clone(), source };
    Ok(Some(Arc::new(Callers::load(file).await.map_err(refused)?)))
}

/// Once Redis was reached and fit, the API stays ready: it answers outages itself.
async fn become_ready(queue: &Queue, probes: &Probes) {
    let mut told = String::new();
    while let Err(error) = queue.ready().await {
        let reason = error.to_string();
        if reason != told {
            tracing::warn!(error = &error as &dyn std::error::Error, "not ready");
            probes.unready(reason.clone());
            told = reason;
        }
        tokio::time::sleep(LOOK).await;
    }
    probes.ready();
    if let Ok(durability) = queue.durability().await
        && let Some(weakness) = durability.weakness()
    {
        tracing::warn!("{weakness}");
    }
}
