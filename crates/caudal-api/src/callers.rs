//! Who may call: the API keys of a file, which is read again when it changes.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use sha2::{Digest, Sha256};
use subtle::{ConditionallySelectable, ConstantTimeEq};

use crate::answer::Answer;
use crate::router::Service;

/// How often the file is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Why a file of API keys is not taken. No text quotes the file's content.
#[derive(Debug, thiserror::Error)]
pub enum InvalidKeys {
    /// The file cannot be read.
    #[error("cannot be read")]
    Unreadable(#[from] std::io::Error),
    /// A line is no `name:key`.
    #[error("line {0} is not `name:key`: a name, a colon, and a key of visible ASCII characters")]
    Line(usize),
    /// Two callers have one key.
    #[error("line {0} repeats the key of another name")]
    Shared(usize),
    /// The file names nobody.
    #[error("it holds no key")]
    Empty,
}

/// The name of who calls, empty where no keys are configured. Others are answered 401.
pub(crate) struct Caller(pub(crate) Arc<str>);

impl FromRequestParts<Arc<Service>> for Caller {
    type Rejection = Answer;

    async fn from_request_parts(parts: &mut Parts, service: &Arc<Service>) -> Result<Self, Answer> {
        let name = match &service.callers {
            Some(callers) => callers.name(&parts.headers),
            None => Some(Arc::default()),
        };
        name.map(Self).ok_or(Answer::Unauthorized)
    }
}

/// The callers of a file. Of their keys only the digests are kept.
#[derive(Debug)]
pub(crate) struct Callers {
    file: PathBuf,
    known: RwLock<Arc<[Entry]>>,
}

#[derive(Debug, PartialEq, Eq)]
struct Entry {
    name: Arc<str>,
    key: [u8; 32],
}

impl Callers {
    /// Reads the file.
    pub(crate) async fn load(file: &Path) -> Result<Self, InvalidKeys> {
        let known = read(file).await?;
        Ok(Self { file: file.to_owned(), known: RwLock::new(known.into()) })
    }

    /// The name of the caller whose key the request bears.
    pub(crate) fn name(&self, headers: &HeaderMap) -> Option<Arc<str>> {
        let key = digest(bearer(headers)?);
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner).clone();
        // Every key is compared, whichever fits: the time an answer takes tells nothing.
        let mut place = u64::MAX;
        for (at, caller) in (0..).zip(known.iter()) {
            place.conditional_assign(&at, caller.key.ct_eq(&key));
        }
        known.get(usize::try_from(place).ok()?).map(|caller| caller.name.clone())
    }

    /// Follows the file. One that is wrong or away changes nothing and is told once.
    pub(crate) async fn follow(&self) {
        let mut told = String::new();
        loop {
            tokio::time::sleep(LOOK).await;
            let failure = self.look().await.err().map(|error| error.to_string()).unwrap_or_default();
            if failure != told && !failure.is_empty() {
                tracing::error!(file = %self.file.display(), reason = failure, "the API keys stay as they were");
            }
            told = failure;
        }
    }

    /// Reads the file again.
    async fn look(&self) -> Result<(), InvalidKeys> {
        self.replace(read(&self.file).await?);
        Ok(())
    }

    fn replace(&self, known: Vec<Entry>) {
        let mut current = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if **current != *known {
            tracing::info!(file = %self.file.display(), count = known.len(), "the API keys have changed");
            *current = known.into();
        }
    }
}

async fn read(file: &Path) -> Result<Vec<Entry>, InvalidKeys> {
    parse(&tokio::fs::read_to_string(file).await?)
}

/// A name may have several keys, so that they can be changed without a gap; a key has one name.
fn parse(text: &str) -> Result<Vec<Entry>, InvalidKeys> {
    let mut entries: Vec<Entry> = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let entry = entry(line).ok_or(InvalidKeys::Line(number))?;
        if entries.iter().any(|other| other.key == entry.key && other.name != entry.name) {
            return Err(InvalidKeys::Shared(number));
        }
        entries.push(entry);
    }
    if entries.is_empty() { Err(InvalidKeys::Empty) } else { Ok(entries) }
}

fn entry(line: &str) -> Option<Entry> {
    let (name, key) = line.split_once(':')?;
    let (name, key) = (name.trim(), key.trim());
    let fit = !name.is_empty() && !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_graphic());
    fit.then(|| Entry { name: name.into(), key: digest(key.as_bytes()) })
}

/// The token of `Authorization: Bearer <token>`; the scheme in any case.
fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.as_bytes().split_first_chunk::<7>()?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}

fn digest(key: &[u8]) -> [u8; 32] {
    Sha256::digest(key).into()
}

#[cfg(test)]
mod tests;
