//! Addresses that never answer.

use std::net::Ipv4Addr;

use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    task::JoinHandle,
};

use crate::Error;

const LISTENING: &str = "the black hole cannot listen";

/// An address on 127.0.0.1 from which nothing ever comes back, until this is dropped.
#[derive(Debug)]
pub struct BlackHole {
    address: String,
    _listener: Option<TcpListener>,
    _waiting: Vec<TcpStream>,
    accepting: Option<JoinHandle<()>>,
}

impl BlackHole {
    /// One that takes every connection, and reads and writes nothing.
    pub async fn accepting() -> Result<Self, Error> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(Error::io(LISTENING))?;
        let address = listener.local_addr().map_err(Error::io(LISTENING))?.to_string();
        let accepting = tokio::spawn(async move {
            let mut taken = Vec::new();
            while let Ok((connection, _)) = listener.accept().await {
                taken.push(connection);
            }
        });
        Ok(Self { address, _listener: None, _waiting: Vec::new(), accepting: Some(accepting) })
    }

    /// One that does not even take connections: whoever tries waits, as behind a firewall that drops packets.
    pub async fn unreachable() -> Result<Self, Error> {
        let socket = TcpSocket::new_v4().map_err(Error::io(LISTENING))?;
        socket.bind((Ipv4Addr::LOCALHOST, 0).into()).map_err(Error::io(LISTENING))?;
        let listener = socket.listen(0).map_err(Error::io(LISTENING))?;
        let address = listener.local_addr().map_err(Error::io(LISTENING))?;
        // One connection may wait to be accepted; nobody accepts it, and there is no room for a second.
        let waiting = TcpStream::connect(address).await.map_err(Error::io(LISTENING))?;
        Ok(Self { address: address.to_string(), _listener: Some(listener), _waiting: vec![waiting], accepting: None })
    }

    /// Host and port.
    pub fn address(&self) -> &str {
        &self.address
    }
}

impl Drop for BlackHole {
    fn drop(&mut self) {
        if let Some(accepting) = &self.accepting {
            accepting.abort();
        }
    }
}
