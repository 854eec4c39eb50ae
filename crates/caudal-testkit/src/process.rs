//! A child process that never outlives the one that started it.

use std::{
    fmt::Debug,
    fs,
    fs::File,
    io,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
    thread::JoinHandle,
    time::Duration,
};

pub use rustix::process::Signal;
use rustix::{
    io::Errno,
    process::{Pid, WaitId, WaitIdOptions},
};
use tokio::sync::watch;

use crate::{Error, wait};

/// How much of a program's output an error quotes, in bytes.
const QUOTED: usize = 4_000;

/// Where a process writes its standard output and error.
#[derive(Clone, Debug)]
pub enum Output {
    /// Where the parent writes its own.
    Inherit,
    /// To a file, after what it holds already.
    File(PathBuf),
}

/// The user a process runs as.
#[derive(Clone, Copy, Debug)]
pub(crate) struct User {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// A running child process. It is killed when this is dropped, and, on Linux, also when the
/// parent is killed. Ctrl-C at the terminal does not reach it: how it ends is its parent's choice.
///
/// Linux ties that second guarantee to the *thread* that started the child, so every child has a
/// thread of its own, which starts it, waits for its end and takes note of it.
#[derive(Debug)]
pub struct Process {
    program: String,
    pid: Pid,
    output: Output,
    exit: watch::Receiver<Option<ExitStatus>>,
    reaping: Arc<Mutex<()>>,
    keeper: Option<JoinHandle<()>>,
}

impl Process {
    /// Starts `command`, of which program, arguments, variables and folder count; its standard
    /// input is empty.
    pub fn start(command: &Command, output: Output) -> Result<Self, Error> {
        Self::start_as(command, output, None)
    }

    pub(crate) fn start_as(command: &Command, output: Output, user: Option<User>) -> Result<Self, Error> {
        let program = program_name(command);
        let failed = format!("{program} could not be started");
        let mut bound = bound_as(command, user);
        bound.process_group(0);
        redirect(&mut bound, &output).map_err(Error::io(failed.clone()))?;

        let (started, start) = mpsc::channel();
        let (ended, exit) = watch::channel(None);
        let reaping = Arc::new(Mutex::new(()));
        let gate = Arc::clone(&reaping);
        let keeper = thread::Builder::new()
            .name(format!("keeper of {program}"))
            .spawn(move || match bound.spawn() {
                Ok(child) => {
                    let _ = started.send(Ok(Pid::from_child(&child)));
                    keep(child, &gate, &ended);
                }
                Err(error) => {
                    let _ = started.send(Err(error));
                }
            })
            .map_err(Error::io(failed.clone()))?;
        let pid =
            start.recv().unwrap_or_else(|_| Err(io::Error::other("its keeper ended"))).map_err(Error::io(failed))?;
        Ok(Self { program, pid, output, exit, reaping, keeper: Some(keeper) })
    }

    /// The process id.
    pub fn id(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    /// Sends a signal; a process that has ended already is left in peace.
    pub fn signal(&self, signal: Signal) -> Result<(), Error> {
        let _held = self.reaping.lock().unwrap_or_else(PoisonError::into_inner);
        if self.exited().is_some() {
            return Ok(());
        }
        rustix::process::kill_process(self.pid, signal)
            .map_err(|error| Error::io(format!("{} got no signal", self.program))(error.into()))
    }

    /// The processes it has started itself and that go on; none where the system has no `/proc`.
    pub(crate) fn children(&self) -> Vec<Pid> {
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        numbers.filter(|number| parent(*number) == Some(self.id())).filter_map(Pid::from_raw).collect()
    }

    /// How the process ended, if it has.
    pub fn exited(&self) -> Option<ExitStatus> {
        *self.exit.borrow()
    }

    /// Waits for the end of the process. Cancel safe.
    pub async fn wait(&self) -> Result<ExitStatus, Error> {
        let mut exit = self.exit.clone();
        let status = exit.wait_for(Option::is_some).await;
        status.ok().and_then(|status| *status).ok_or_else(|| {
            let lost = io::Error::other("its end was not seen");
            Error::io(self.program.clone())(lost)
        })
    }

    /// Asks the process to end with `signal`, and kills it when it has not within `grace`.
    pub async fn stop(&self, signal: Signal, grace: Duration) -> Result<ExitStatus, Error> {
        self.signal(signal)?;
        if let Ok(status) = tokio::time::timeout(grace, self.wait()).await {
            return status;
        }
        self.signal(Signal::KILL)?;
        self.wait().await
    }

    /// Waits for the end of the process without a runtime, at most `within`.
    pub(crate) fn wait_blocking(&self, within: Duration) {
        let deadline = std::time::Instant::now() + within;
        while self.exited().is_none() && std::time::Instant::now() < deadline {
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// What the process has written so far; empty where the output is the parent's.
    pub fn log(&self) -> String {
        match &self.output {
            Output::Inherit => String::new(),
            Output::File(path) => read_lossy(path),
        }
    }

    /// An error with the end of its log, if the process has ended.
    pub fn check(&self) -> Result<(), Error> {
        match self.exited() {
            None => Ok(()),
            Some(status) => {
                let log = tail(&self.log()).to_owned();
                Err(Error::Exited { program: self.program.clone(), status, log })
            }
        }
    }

    /// Asks `probe` until it answers `Ok`; that the process ends before is an error.
    pub async fn ready<E: Debug>(
        &self,
        within: Duration,
        mut probe: impl AsyncFnMut() -> Result<(), E>,
    ) -> Result<(), Error> {
        let what = format!("{} is ready", self.program);
        let probed = wait::until(&what, within, async || match self.check() {
            Ok(()) => probe().await.map(Ok),
            ended => Ok(ended),
        });
        probed.await?
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.signal(Signal::KILL);
        if let Some(keeper) = self.keeper.take() {
            let _ = keeper.join();
        }
    }
}

/// Runs `command` to its end and returns its standard output.
pub(crate) async fn run(command: &Command, user: Option<User>) -> Result<String, Error> {
    let program = program_name(command);
    let output = tokio::process::Command::from(bound_as(command, user))
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .map_err(Error::io(format!("{program} could not be run")))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(Error::Exited {
        program,
        status: output.status,
        log: tail(&String::from_utf8_lossy(&output.stderr)).to_owned(),
    })
}

/// Waits for the child's end. It is reaped only while no signal can be on its way, for from then
/// on its id may be another process's.
fn keep(mut child: Child, reaping: &Mutex<()>, ended: &watch::Sender<Option<ExitStatus>>) {
    let id = WaitId::Pid(Pid::from_child(&child));
    let unreaped = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    while let Err(Errno::INTR) = rustix::process::waitid(id.clone(), unreaped) {}
    let _held = reaping.lock().unwrap_or_else(PoisonError::into_inner);
    if let Ok(status) = child.wait() {
        ended.send_replace(Some(status));
    }
}

/// The same command, to be killed by Linux when the thread that starts it ends. Program,
/// arguments, variables and folder are kept.
pub fn bound_to_parent(command: &Command) -> Command {
    bound_as(command, None)
}

fn bound_as(command: &Command, user: Option<User>) -> Command {
    let mut bound = if cfg!(target_os = "linux") {
        let mut setpriv = Command::new("setpriv");
        setpriv.args(["--pdeathsig", "KILL"]);
        if let Some(User { uid, gid }) = user {
            setpriv.arg(format!("--reuid={uid}"));
            setpriv.arg(format!("--regid={gid}"));
            setpriv.arg("--clear-groups");
        }
        setpriv.arg("--").arg(command.get_program());
        setpriv
    } else {
        Command::new(command.get_program())
    };
    bound.args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => bound.env(name, value),
            None => bound.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        bound.current_dir(folder);
    }
    bound
}

fn redirect(command: &mut Command, output: &Output) -> io::Result<()> {
    command.stdin(Stdio::null());
    if let Output::File(path) = output {
        let file = File::options().create(true).append(true).open(path)?;
        command.stdout(file.try_clone()?).stderr(file);
    }
    Ok(())
}

/// Reads `pid (name) state parent ...`; a name may hold anything, a bracket too.
fn parent(process: i32) -> Option<i32> {
    let state = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    state.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

fn program_name(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let name = program.file_name().unwrap_or_else(|| command.get_program());
    name.to_string_lossy().into_owned()
}

fn read_lossy(path: &Path) -> String {
    fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

fn tail(text: &str) -> &str {
    let start = text.len().saturating_sub(QUOTED);
    let start = (start..=text.len()).find(|at| text.is_char_boundary(*at));
    text.get(start.unwrap_or_default()..).unwrap_or(text).trim()
}
