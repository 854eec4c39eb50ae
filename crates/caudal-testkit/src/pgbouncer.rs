//! A `PgBouncer` in front of a PostgreSQL server.

use std::{fs, os::unix::fs::chown, process::Command, time::Duration};

use tokio::net::TcpStream;

use crate::{
    Error, Output, Process,
    folder::{Folder, free_port},
    postgres::{ROLE, unprivileged_user},
    process::User,
    programs,
};

const START: Duration = Duration::from_secs(30);

/// A running `PgBouncer` in transaction mode, whose clients share two sessions of the server. It ends when this is dropped.
#[derive(Debug)]
pub struct PgBouncer {
    _process: Process,
    port: u16,
    _folder: Folder,
}

impl PgBouncer {
    /// Starts one before the server on this port of 127.0.0.1, and waits till it takes connections.
    pub async fn start(postgres: u16) -> Result<Self, Error> {
        let folder = Folder::private("pgbouncer")?;
        let port = free_port()?;
        let settings = folder.path().join("pgbouncer.ini");
        fs::write(&settings, configuration(postgres, port)).map_err(Error::io("pgbouncer.ini"))?;
        let user = unprivileged_user()?;
        if let Some(User { uid, gid }) = user {
            chown(folder.path(), Some(uid), Some(gid)).map_err(Error::io("chown"))?;
        }
        let mut command = Command::new(programs::find("pgbouncer")?);
        command.arg(&settings).current_dir(folder.path());
        let process = Process::start_as(&command, Output::File(folder.path().join("pgbouncer.log")), user)?;
        process.ready(START, async || TcpStream::connect(("127.0.0.1", port)).await.map(drop)).await?;
        Ok(Self { _process: process, port, _folder: folder })
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }
}

fn configuration(postgres: u16, port: u16) -> String {
    format!(
        "[databases]\n\
         * = host=127.0.0.1 port={postgres} user={ROLE}\n\
         [pgbouncer]\n\
         listen_addr = 127.0.0.1\n\
         listen_port = {port}\n\
         unix_socket_dir =\n\
         auth_type = any\n\
         pool_mode = transaction\n\
         default_pool_size = 2\n"
    )
}
