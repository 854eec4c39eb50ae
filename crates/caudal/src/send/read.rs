//! Reading the file, on a thread of its own, no further ahead than a few batches.

mod csv;
mod json;

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::ops::ControlFlow;
use std::path::Path;
use std::rc::Rc;

use anyhow::{Context, bail};
use caudal_invoice::MAX_BATCH;
use serde::Serialize;
use tokio::sync::mpsc::{Receiver, channel};

use super::batch::{Batch, Cutter, Element, Unreadable};

/// How many batches are read ahead.
const AHEAD: usize = 2;
const BUFFER: usize = 64 * 1024;
/// Some programs begin a text with it.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::ValueEnum)]
pub(super) enum Format {
    /// A list of objects.
    Json,
    /// Lines, the first of which names the fields; separated by commas, semicolons or tabs.
    Csv,
}

impl Format {
    /// What its places are called.
    pub(super) fn noun(self) -> &'static str {
        match self {
            Self::Json => "element",
            Self::Csv => "line",
        }
    }
}

/// A file to be sent.
pub(super) struct Source {
    /// Its name, for people.
    pub(super) name: String,
    pub(super) format: Format,
    /// Its size in bytes, where it has one.
    pub(super) size: Option<u64>,
    reader: Box<dyn Read + Send>,
}

impl Source {
    /// Opens the file, or standard input for `-`.
    pub(super) fn open(path: &Path, format: Option<Format>) -> anyhow::Result<Self> {
        if path == Path::new("-") {
            let Some(format) = format else {
                bail!("--format: given nothing, allowed json or csv: standard input has no name")
            };
            return Ok(Self { name: "standard input".to_owned(), format, size: None, reader: Box::new(io::stdin()) });
        }
        let name = path.display().to_string();
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase());
        let format = match (format, ending.as_deref()) {
            (Some(format), _) => format,
            (None, Some("json")) => Format::Json,
            (None, Some("csv")) => Format::Csv,
            _ => bail!("{name}: its name ends neither in .json nor in .csv; --format says what it is"),
        };
        let file = File::open(path).with_context(|| format!("{name} cannot be opened"))?;
        let metadata = file.metadata()?;
        if metadata.is_dir() {
            bail!("{name} is a folder");
        }
        Ok(Self { name, format, size: metadata.is_file().then_some(metadata.len()), reader: Box::new(file) })
    }
}

/// A batch's size from the command line.
pub(super) fn batch_size(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| (1..=MAX_BATCH).contains(number));
    number.ok_or_else(|| format!("a whole number from 1 to {MAX_BATCH}"))
}

/// Reads the source until its end, an error, or until nobody listens any more.
///
/// The thread is not waited for: it may be stuck in a read of a terminal or pipe, and holds nothing that must be put away.
pub(super) fn start(source: Source, most: usize) -> anyhow::Result<Receiver<anyhow::Result<Batch>>> {
    let (sender, receiver) = channel(AHEAD);
    let read = move || {
        let name = source.name.clone();
        let done = read_all(source, most, &mut |batch| match sender.blocking_send(Ok(batch)) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        });
        if let Err(error) = done {
            let _ = sender.blocking_send(Err(error.context(format!("{name} cannot be read further"))));
        }
    };
    std::thread::Builder::new().name("reader".to_owned()).spawn(read)?;
    Ok(receiver)
}

/// What a format's reader finds.
enum Item {
    Element(Element),
    Unreadable(Unreadable),
}

/// Takes what is found, and says whether to go on.
type Take<'a> = dyn FnMut(Item) -> ControlFlow<()> + 'a;

fn read_all(source: Source, most: usize, send: &mut dyn FnMut(Batch) -> ControlFlow<()>) -> anyhow::Result<()> {
    let mut buffer = BufReader::with_capacity(BUFFER, source.reader);
    if buffer.fill_buf()?.starts_with(BYTE_ORDER_MARK) {
        buffer.consume(BYTE_ORDER_MARK.len());
    }
    let position = Rc::new(Cell::new(0));
    let mut cutter = Cutter::new(most);
    let mut take = |item| {
        let full = match item {
            Item::Element(element) => cutter.add(element, position.get()),
            Item::Unreadable(unreadable) => cutter.add_unreadable(unreadable, position.get()),
        };
        full.map_or(ControlFlow::Continue(()), &mut *send)
    };
    let delimiter = csv::delimiter(buffer.fill_buf()?);
    let counted = Counted { reader: buffer, position: Rc::clone(&position) };
    match source.format {
        Format::Json => json::read(counted, &mut take)?,
        Format::Csv => csv::read(counted, delimiter, &mut take)?,
    }
    let _ = cutter.cut(position.get()).map(send);
    Ok(())
}

/// Counts the bytes it passes on.
struct Counted<R> {
    reader: R,
    position: Rc<Cell<u64>>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.reader.read(buffer)?;
        self.position.set(self.position.get() + length as u64);
        Ok(length)
    }
}

#[cfg(test)]
mod tests;
