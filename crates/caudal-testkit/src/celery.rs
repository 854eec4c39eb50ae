//! Celery, with the original service's task.

use std::{fs, process::Command, time::Duration};

use crate::{Error, Output, Process, folder::Folder, process::run, programs};

/// How long a worker's start may take on a busy machine.
const START: Duration = Duration::from_secs(60);

/// A Celery application on one broker: `worker.py` beside this file. Its processes are those of whoever starts them.
#[derive(Debug)]
pub struct Celery {
    folder: Folder,
    broker: String,
    settings: String,
}

impl Celery {
    /// An application on the Redis at `broker`, with `settings` of Celery as a JSON object.
    pub fn new(broker: &str, settings: &str) -> Result<Self, Error> {
        let folder = Folder::private("celery")?;
        let program = folder.path().join("worker.py");
        fs::write(&program, include_str!("celery/worker.py")).map_err(Error::io(program.display().to_string()))?;
        Ok(Self { folder, broker: broker.to_owned(), settings: settings.to_owned() })
    }

    /// Starts the worker `celery@NAME` as the original does, with further `arguments`. Asked to end, it finishes its tasks first.
    pub fn worker(&self, name: &str, arguments: &[&str]) -> Result<Process, Error> {
        let mut command = self.python()?;
        command.args(["-m", "celery", "-A", "worker.app", "worker", "--loglevel=INFO", "--concurrency=1"]);
        command.arg(format!("--hostname=celery@{name}")).args(arguments);
        Process::start(&command, Output::File(self.folder.path().join(format!("{name}.log"))))
    }

    /// The same, once it takes tasks and answers.
    pub async fn ready_worker(&self, name: &str, arguments: &[&str]) -> Result<Process, Error> {
        let worker = self.worker(name, arguments)?;
        let answers =
            async || if worker.log().contains("takes tasks and answers") { Ok(()) } else { Err(worker.log()) };
        worker.ready(START, answers).await?;
        Ok(worker)
    }

    /// Sends tasks: a JSON list, each an object with Celery's options for one. Returns their ids.
    pub async fn send(&self, tasks: &str) -> Result<Vec<String>, Error> {
        let mut command = self.python()?;
        command.arg("worker.py").arg(tasks);
        Ok(run(&command, None).await?.lines().map(str::to_owned).collect())
    }

    fn python(&self) -> Result<Command, Error> {
        let mut command = Command::new(programs::find("celery-python")?);
        command.current_dir(self.folder.path()).env("REDIS_URL", &self.broker).env("SETTINGS", &self.settings);
        Ok(command)
    }
}
