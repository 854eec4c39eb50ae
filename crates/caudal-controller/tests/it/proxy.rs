//! A proxy before the API server, which can be shut.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use caudal_testkit::wait;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::world::SOON;

/// It is open at first, and goes with the test's runtime.
pub(crate) struct Proxy {
    pub(crate) url: String,
    open: watch::Sender<bool>,
    turned_away: Arc<AtomicUsize>,
}

impl Proxy {
    /// Before the API server at this address, `https://HOST:PORT`.
    pub(crate) async fn before(url: &str) -> Self {
        let server = url.trim_start_matches("https://").to_owned();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let (open, turned_away) = (watch::Sender::new(true), Arc::<AtomicUsize>::default());
        let (door, count) = (open.subscribe(), Arc::clone(&turned_away));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if *door.borrow() {
                    tokio::spawn(relay(client, server.clone(), door.clone()));
                } else {
                    count.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        Self { url, open, turned_away }
    }

    /// Cuts all connections and turns everybody away. Returns once somebody has come back in vain.
    pub(crate) async fn shut(&self) {
        self.open.send_replace(false);
        let tried = async || if self.turned_away.load(Ordering::Relaxed) > 0 { Ok(()) } else { Err("nobody came") };
        wait::until("somebody is turned away", SOON, tried).await.unwrap();
    }

    pub(crate) fn open(&self) {
        self.open.send_replace(true);
    }
}

async fn relay(mut client: TcpStream, server: String, mut open: watch::Receiver<bool>) {
    let Ok(mut server) = TcpStream::connect(server).await else { return };
    tokio::select! {
        _ = open.wait_for(|open| !open) => {}
        _ = copy_bidirectional(&mut client, &mut server) => {}
    }
}
