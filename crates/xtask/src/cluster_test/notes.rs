//! What an installation tells to do next, done as it says.

use anyhow::{Context, Result, ensure};

use super::place::Place;

/// Follows the notes of the release `caudal` in the place's own namespace, by `helm`, one of its versions. Looks whether each of
/// `wanted` is told.
///
/// # Errors
/// Which command failed, in its own words, or what none of them told.
pub(super) async fn follow(place: &Place, helm: &str, wanted: &[&str]) -> Result<()> {
    let notes = place.shell(&format!("{helm} get notes caudal")).await?;
    let mut said = String::new();
    for block in indented(&notes) {
        said += &tell(place, helm, block.trim_end()).await.with_context(|| block.clone())?;
    }
    for wanted in wanted {
        ensure!(said.contains(wanted), "the notes' commands do not tell {wanted:?}:\n{said}");
    }
    Ok(())
}

async fn tell(place: &Place, helm: &str, script: &str) -> Result<String> {
    match script {
        // A heading, and an object.
        watch if watch.ends_with(" --watch") => place.first_lines(watch, 2).await,
        log if log.ends_with(" --follow") => place.first_lines(log, 1).await,
        // What it leaves in the background ends with it.
        forward if forward.contains(" &\n") => place.shell(&format!("{forward}\nkill $!")).await,
        test if test.starts_with("helm ") => place.shell(&test.replacen("helm", helm, 1)).await,
        script => place.shell(script).await,
    }
}

/// The commands among the notes: what stands together three spaces in.
fn indented(notes: &str) -> Vec<String> {
    let lines: Vec<Option<&str>> = notes.lines().map(|line| line.strip_prefix("   ")).collect();
    let blocks = lines.split(Option::is_none).filter(|block| !block.is_empty());
    blocks.map(|block| block.iter().flatten().map(|line| format!("{line}\n")).collect()).collect()
}
