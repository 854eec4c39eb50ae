//! Clients that cost next to nothing: they share the machine with what they measure.

use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::wire::Reply;

/// How a part of a request that makes it a request of its own is written.
#[derive(Clone, Copy)]
pub(crate) enum Form {
    /// The first four bytes.
    Binary,
    /// Ten digits.
    Decimal,
}

/// A request that is sent again and again, each time with other keys and ids.
pub(crate) struct Template {
    bytes: Vec<u8>,
    places: Vec<(usize, Form)>,
    sent: AtomicU32,
}

impl Template {
    /// The request, with every occurrence of these texts being replaced at each sending.
    pub(crate) fn new(bytes: Vec<u8>, marks: &[(&[u8], Form)]) -> Self {
        let found = |(mark, form): &(&[u8], Form)| {
            let form = *form;
            let places = bytes.windows(mark.len()).enumerate().filter(|(_, window)| window == mark);
            places.map(|(at, _)| (at, form)).collect::<Vec<_>>()
        };
        let places = marks.iter().flat_map(found).collect();
        Self { bytes, places, sent: AtomicU32::new(1) }
    }

    fn next(&self, request: &mut [u8]) {
        let number = self.sent.fetch_add(1, Ordering::Relaxed);
        for (at, form) in &self.places {
            match form {
                Form::Binary => request[*at..at + 4].copy_from_slice(&number.to_be_bytes()),
                Form::Decimal => request[*at..at + 10].copy_from_slice(format!("{number:010}").as_bytes()),
            }
        }
    }
}

/// Sends by so many clients at once, each waiting for its answer, and returns how many were answered in a second.
pub(crate) fn per_second(
    address: &str,
    (clients, time): (usize, Duration),
    template: &Template,
    reply: Reply,
) -> io::Result<f64> {
    // On a thread of its own: a client that moves between threads costs more than what it measures.
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(all(address, (clients, time), template, reply))
        });
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

async fn all(address: &str, (clients, time): (usize, Duration), template: &Template, reply: Reply) -> io::Result<f64> {
    let streams = try_join_all((0..clients).map(|_| TcpStream::connect(address))).await?;
    let begun = Instant::now();
    let counts = try_join_all(streams.into_iter().map(|stream| one(stream, begun + time, template, reply))).await?;
    Ok(counts.iter().sum::<u32>() as f64 / begun.elapsed().as_secs_f64())
}

async fn one(mut stream: TcpStream, until: Instant, template: &Template, reply: Reply) -> io::Result<u32> {
    stream.set_nodelay(true)?;
    let mut request = template.bytes.clone();
    let mut answer = vec![0; 4096];
    let mut count = 0;
    while Instant::now() < until {
        template.next(&mut request);
        stream.write_all(&request).await?;
        let mut length = 0;
        loop {
            let read = stream.read(&mut answer[length..]).await?;
            length += read;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if reply.is_whole(&answer[..length])? {
                break;
            }
        }
        count += 1;
    }
    Ok(count)
}
