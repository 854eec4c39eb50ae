//! The command line as its user meets it.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::stack::Stack;

/// No command of these tests takes longer.
const LONGEST: Duration = Duration::from_secs(30);

/// What one run told.
pub(crate) struct Told {
    pub(crate) success: bool,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Told {
    /// The last line as JSON.
    pub(crate) fn json(&self) -> Value {
        let last = self.stdout.lines().last().unwrap_or_default();
        serde_json::from_str(last).unwrap_or_else(|_| panic!("{}{}", self.stdout, self.stderr))
    }
}

/// Runs a command to its end.
pub(crate) async fn told(mut command: Command) -> Told {
    command.stdin(Stdio::null());
    let ran = tokio::time::timeout(LONGEST, tokio::process::Command::from(command).kill_on_drop(true).output());
    let output = ran.await.unwrap().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Told { success: output.status.success(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// Runs `caudal` with these arguments on a stack.
pub(crate) async fn caudal(stack: &Stack, arguments: &[&str]) -> Told {
    told(stack.command(arguments)).await
}

/// A file of the test's own, gone with it.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new(name: &str, text: &str) -> Self {
        let path = std::env::temp_dir().join(format!("caudal-test-{}-{name}", std::process::id()));
        std::fs::write(&path, text).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
