//! A proxy before PostgreSQL that breaks a connection at a chosen point of a transaction.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Where to break the connection, once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cut {
    /// Before this request of a transaction is answered, from 1: the first is its BEGIN.
    pub(crate) request: usize,
    /// Whether the server hears the request, so that only its answer is lost.
    pub(crate) heard: bool,
}

/// The proxy. Whom it serves sends one request at a time.
#[derive(Clone, Debug)]
pub(crate) struct Proxy {
    pub(crate) port: u16,
    cut: Arc<Mutex<Option<Cut>>>,
}

impl Proxy {
    pub(crate) async fn start(server: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let proxy = Self { port: listener.local_addr().unwrap().port(), cut: Arc::default() };
        let serving = proxy.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let proxy = serving.clone();
                tokio::spawn(async move {
                    let server = TcpStream::connect(("127.0.0.1", server)).await.unwrap();
                    // An end of either side ends the connection.
                    drop(proxy.relay(client, server).await);
                });
            }
        });
        proxy
    }

    pub(crate) fn arm(&self, cut: Cut) {
        *self.lock() = Some(cut);
    }

    /// Whether no cut is to come.
    pub(crate) fn has_cut(&self) -> bool {
        self.lock().is_none()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Cut>> {
        self.cut.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn relay(&self, mut client: TcpStream, mut server: TcpStream) -> std::io::Result<()> {
        let mut start = Vec::new();
        body(&mut client, &mut start).await?;
        server.write_all(&start).await?;
        client.write_all(&exchange(&mut server, b"Z").await?).await?;
        let mut place = 0;
        loop {
            let request = exchange(&mut client, b"QS").await?;
            place = match request.get(5..) {
                Some(text) if text.starts_with(b"BEGIN") => 1,
                _ if place > 0 => place + 1,
                _ => 0,
            };
            let cut = self.take(place);
            if cut.is_some_and(|cut| !cut.heard) {
                return Ok(());
            }
            server.write_all(&request).await?;
            let reply = exchange(&mut server, b"Z").await?;
            if cut.is_some() {
                return Ok(());
            }
            if request.get(5..).is_some_and(|text| text.starts_with(b"COMMIT")) {
                place = 0;
            }
            client.write_all(&reply).await?;
        }
    }

    /// The cut, if it is to be made here.
    fn take(&self, place: usize) -> Option<Cut> {
        self.lock().take_if(|cut| cut.request == place)
    }
}

/// Reads whole messages up to one of these kinds.
async fn exchange(from: &mut TcpStream, last: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut messages = Vec::new();
    loop {
        let kind = from.read_u8().await?;
        messages.push(kind);
        body(from, &mut messages).await?;
        if last.contains(&kind) {
            return Ok(messages);
        }
    }
}

/// Reads a length and what it counts, itself included.
async fn body(from: &mut TcpStream, into: &mut Vec<u8>) -> std::io::Result<()> {
    let length = from.read_u32().await?;
    into.extend(length.to_be_bytes());
    let begin = into.len();
    into.resize(begin + length as usize - 4, 0);
    from.read_exact(&mut into[begin..]).await.map(drop)
}
