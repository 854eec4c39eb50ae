//! A PostgreSQL server of its own.

use std::{
    fs,
    os::unix::fs::chown,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use rustix::process::Pid;

use crate::{
    Error, Output, Process, Signal,
    folder::{Folder, free_port},
    process::{User, run},
    programs,
};

const START: Duration = Duration::from_secs(60);
const GRACE: Duration = Duration::from_secs(10);
const PASSWD: &str = "/etc/passwd";
pub(crate) const ROLE: &str = "caudal";

/// A running PostgreSQL server on 127.0.0.1, which believes whoever connects. Where the caller is
/// root it runs as another user. It ends when this is dropped.
#[derive(Debug)]
pub struct Postgres {
    server: Server,
    process: Process,
    databases: AtomicU32,
}

/// How to start the server, again and again on the same port and data.
#[derive(Debug)]
struct Server {
    folder: Folder,
    programs: PathBuf,
    user: Option<User>,
    port: u16,
    fsync: &'static str,
}

impl Postgres {
    /// Makes and starts a server in a private folder, which is removed with it, and waits till it
    /// answers. It leaves writing through to the disk to the operating system: what it has
    /// confirmed outlives its own death, not the machine's.
    pub async fn start() -> Result<Self, Error> {
        Self::start_with(Folder::private("postgres")?, "off").await
    }

    /// As [`Postgres::start`], but what it has confirmed outlives the machine too.
    pub async fn start_durable() -> Result<Self, Error> {
        Self::start_with(Folder::private("postgres")?, "on").await
    }

    async fn start_with(folder: Folder, fsync: &'static str) -> Result<Self, Error> {
        let initdb = programs::find("initdb")?;
        // Debian's commands in PATH are wrappers; the programs themselves stand side by side.
        let initdb = fs::canonicalize(&initdb).map_err(Error::io("initdb"))?;
        let server = Server {
            programs: initdb.parent().map(Path::to_owned).unwrap_or_default(),
            user: unprivileged_user()?,
            port: free_port()?,
            folder,
            fsync,
        };
        server.prepare().await?;
        let process = server.serve().await?;
        Ok(Self { server, process, databases: AtomicU32::new(0) })
    }

    /// Makes a database that nobody uses yet and returns its address.
    pub async fn database(&self) -> Result<String, Error> {
        let number = self.databases.fetch_add(1, Ordering::Relaxed);
        self.named_database(&format!("test_{number}")).await
    }

    /// Makes the database `name`, unless it is there, and returns its address.
    pub async fn named_database(&self, name: &str) -> Result<String, Error> {
        self.server.make_database(name).await?;
        Ok(format!("postgres://{ROLE}@127.0.0.1:{}/{name}", self.server.port))
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.server.port
    }

    /// The number of the process whose children are the sessions.
    pub fn id(&self) -> i32 {
        self.process.id()
    }

    /// Ends all connections and the server, and waits for its end.
    pub async fn stop(&mut self) -> Result<(), Error> {
        self.process.stop(Signal::INT, GRACE).await.map(drop)
    }

    /// Ends the server at once, as a crash would: nothing is finished, and the next start
    /// recovers. Waits for its end.
    pub async fn crash(&mut self) -> Result<(), Error> {
        self.process.stop(Signal::QUIT, GRACE).await.map(drop)
    }

    /// Kills the server and all its sessions (`kill -9`), and waits for its end.
    pub async fn kill(&mut self) -> Result<(), Error> {
        // Stopped it starts no more of them.
        self.process.signal(Signal::STOP)?;
        let sessions = self.process.children();
        self.process.signal(Signal::KILL)?;
        sessions.into_iter().for_each(|session| signal_stranger(session, Signal::KILL));
        self.process.wait().await.map(drop)
    }

    /// Freezes the server and all its sessions: connections stay open, nothing is answered.
    pub fn pause(&self) -> Result<(), Error> {
        self.process.signal(Signal::STOP)?;
        self.process.children().into_iter().for_each(|session| signal_stranger(session, Signal::STOP));
        Ok(())
    }

    /// Lets a frozen server go on.
    pub fn resume(&self) -> Result<(), Error> {
        self.process.children().into_iter().for_each(|session| signal_stranger(session, Signal::CONT));
        self.process.signal(Signal::CONT)
    }

    /// Stops the server unless it is stopped, starts it on the same port and data, and waits till
    /// it answers.
    pub async fn restart(&mut self) -> Result<(), Error> {
        self.stop().await?;
        self.process = self.server.serve().await?;
        Ok(())
    }
}

impl Drop for Postgres {
    /// Lets the server end its children, so that none writes to the folder while it is removed.
    fn drop(&mut self) {
        let _ = self.resume();
        let _ = self.process.signal(Signal::QUIT);
        self.process.wait_blocking(GRACE);
    }
}

impl Server {
    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn command(&self, program: &str) -> Result<Command, Error> {
        let beside = self.programs.join(program);
        let program = if beside.is_file() { beside } else { programs::find(program)? };
        let mut command = Command::new(program);
        command.current_dir(self.folder.path());
        Ok(command)
    }

    async fn prepare(&self) -> Result<(), Error> {
        let folder = self.folder.path();
        if let Some(User { uid, gid }) = self.user {
            chown(folder, Some(uid), Some(gid)).map_err(Error::io("chown"))?;
        }
        let mut initdb = self.command("initdb")?;
        initdb.arg("--pgdata").arg(self.data()).args(["--username", ROLE, "--auth", "trust", "--no-sync"]).args([
            "--encoding",
            "UTF8",
            "--locale",
            "C",
        ]);
        run(&initdb, self.user).await.map(drop)
    }

    async fn serve(&self) -> Result<Process, Error> {
        let process = self.spawn()?;
        process.ready(START, async || self.ready(&process)).await?;
        Ok(process)
    }

    fn spawn(&self) -> Result<Process, Error> {
        let folder = self.folder.path();
        let mut postgres = self.command("postgres")?;
        postgres
            .arg("-D")
            .arg(self.data())
            .args(["-p", &self.port.to_string(), "-h", "127.0.0.1", "-k"])
            .arg(folder)
            .args(["-c", &format!("fsync={}", self.fsync)]);
        Process::start_as(&postgres, Output::File(folder.join("postgres.log")), self.user)
    }

    /// PostgreSQL's own sign, which its `pg_ctl` goes by: the eighth line of its lock file.
    fn ready(&self, process: &Process) -> Result<(), String> {
        let lock = fs::read_to_string(self.data().join("postmaster.pid")).unwrap_or_default();
        let mut lines = lock.lines();
        let own = lines.next().is_some_and(|pid| pid == process.id().to_string());
        match lines.nth(6).map(str::trim) {
            Some("ready") if own => Ok(()),
            seen => Err(format!("{seen:?}")),
        }
    }

    async fn make_database(&self, name: &str) -> Result<(), Error> {
        let mut createdb = self.command("createdb")?;
        createdb.arg("--host").arg(self.folder.path()).args(["--port", &self.port.to_string()]).args([
            "--username",
            ROLE,
            name,
        ]);
        match run(&createdb, self.user).await {
            Err(Error::Exited { log, .. }) if log.contains("already exists") => Ok(()),
            other => other.map(drop),
        }
    }
}

/// One that has ended in the meantime is left in peace.
fn signal_stranger(process: Pid, signal: Signal) {
    let _ = rustix::process::kill_process(process, signal);
}

/// Whom the server runs as: nobody else, unless the caller is root.
pub(crate) fn unprivileged_user() -> Result<Option<User>, Error> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let passwd = fs::read_to_string(PASSWD).map_err(Error::io(PASSWD))?;
    ["postgres", "nobody"]
        .iter()
        .find_map(|name| passwd.lines().find_map(|line| entry(line, name)))
        .map(Some)
        .ok_or_else(|| Error::NoUser { passwd: PASSWD.into() })
}

/// Reads `name:password:uid:gid:...`.
fn entry(line: &str, name: &str) -> Option<User> {
    let mut fields = line.split(':');
    if fields.next()? != name {
        return None;
    }
    Some(User { uid: fields.nth(1)?.parse().ok()?, gid: fields.next()?.parse().ok()? })
}
