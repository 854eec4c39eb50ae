//! A Redis server of its own.

use std::{net::Ipv4Addr, path::Path, process::Command, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    Error, Output, Process, Signal,
    folder::{Folder, free_port},
    pki::Identity,
    programs,
};

const START: Duration = Duration::from_secs(30);
const GRACE: Duration = Duration::from_secs(10);

/// A running redis-server on 127.0.0.1 that keeps what it has confirmed: append-only file, synced
/// at every write, never evicting. It ends when this is dropped.
#[derive(Debug)]
pub struct Redis {
    process: Process,
    port: u16,
    tls: Option<Tls>,
    folder: Folder,
}

/// How the server is reached over TLS.
#[derive(Clone, Debug)]
struct Tls {
    port: u16,
    identity: Identity,
}

impl Redis {
    /// Starts a server in a private folder, which is removed with it, and waits till it answers.
    pub async fn start() -> Result<Self, Error> {
        Self::start_with(None).await
    }

    /// The same, reached over TLS too, where it shows this certificate.
    pub async fn start_tls(identity: &Identity) -> Result<Self, Error> {
        Self::start_with(Some(Tls { port: free_port()?, identity: identity.clone() })).await
    }

    async fn start_with(tls: Option<Tls>) -> Result<Self, Error> {
        let folder = Folder::private("redis")?;
        let port = free_port()?;
        let process = serve(folder.path(), port, tls.as_ref()).await?;
        Ok(Self { process, port, tls, folder })
    }

    /// The server's address, `redis://127.0.0.1:PORT/0`; the same after a restart.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    /// The server's address over TLS, if it has one.
    pub fn tls_url(&self) -> Option<String> {
        self.tls.as_ref().map(|tls| format!("rediss://127.0.0.1:{}/0", tls.port))
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The process' number.
    pub fn id(&self) -> i32 {
        self.process.id()
    }

    /// Ends the server in its own way, and waits for its end.
    pub async fn stop(&mut self) -> Result<(), Error> {
        self.process.stop(Signal::TERM, GRACE).await.map(drop)
    }

    /// Kills the server (`kill -9`), and waits for its end.
    pub async fn kill(&mut self) -> Result<(), Error> {
        self.process.stop(Signal::KILL, GRACE).await.map(drop)
    }

    /// Stops the server unless it is stopped, starts it on the same port and data, and waits till
    /// it answers.
    pub async fn restart(&mut self) -> Result<(), Error> {
        self.stop().await?;
        self.process = serve(self.folder.path(), self.port, self.tls.as_ref()).await?;
        Ok(())
    }

    /// Freezes the server: connections stay open and are taken, nothing is answered.
    pub fn pause(&self) -> Result<(), Error> {
        self.process.signal(Signal::STOP)
    }

    /// Lets a frozen server go on.
    pub fn resume(&self) -> Result<(), Error> {
        self.process.signal(Signal::CONT)
    }
}

async fn serve(folder: &Path, port: u16, tls: Option<&Tls>) -> Result<Process, Error> {
    let mut command = Command::new(programs::find("redis-server")?);
    command
        .args(["--bind", "127.0.0.1", "--port", &port.to_string()])
        .args(["--appendonly", "yes", "--appendfsync", "always"])
        .args(["--maxmemory-policy", "noeviction", "--save", ""])
        .current_dir(folder);
    if let Some(Tls { port, identity }) = tls {
        command.args(["--tls-port", &port.to_string(), "--tls-auth-clients", "no"]);
        command.arg("--tls-cert-file").arg(&identity.certificate).arg("--tls-key-file").arg(&identity.key);
    }
    let process = Process::start(&command, Output::File(folder.join("redis.log")))?;
    process.ready(START, async || ping(port).await).await?;
    Ok(process)
}

/// Asks for a sign of life; a server that still loads its data answers, but not with `+PONG`.
async fn ping(port: u16) -> Result<(), String> {
    let answer = async {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
        stream.write_all(b"PING\r\n").await?;
        let mut answer = [0; 64];
        let length = stream.read(&mut answer).await?;
        std::io::Result::Ok(String::from_utf8_lossy(answer.get(..length).unwrap_or_default()).into_owned())
    };
    match answer.await {
        Ok(pong) if pong == "+PONG\r\n" => Ok(()),
        Ok(other) => Err(other),
        Err(error) => Err(error.to_string()),
    }
}
