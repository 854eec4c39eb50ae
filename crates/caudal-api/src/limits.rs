//! How long clients may take, how many of them there may be at once, and how much they may send.

use std::time::Duration;

/// The limits of a client's connection. What exceeds one is answered where anything was asked.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at once; further ones wait to be taken.
    pub connections: usize,
    /// From the first byte of a request to the end of its headers.
    pub head: Duration,
    /// From the end of a request's headers to the end of its body.
    pub body: Duration,
    /// Bytes of all bodies that are read or answered at once, and of the answers on their way; a request whose body or
    /// answer finds no room is turned away. The largest answer, to 8 MiB that are wrong, takes 48 MiB of three quarters.
    pub body_bytes: usize,
    /// Without a request; longer than load balancers keep theirs (60 s), so that it is they who close.
    pub idle: Duration,
    /// How often a silent client of HTTP/2 is asked whether it is there, and how long it may take to say so.
    pub ping: Duration,
    /// Without the client taking a byte of its answer.
    pub write: Duration,
    /// From the beginning of an answer to its end, however many bytes it has; with HTTP/2 from the end of the time for the body.
    pub answer: Duration,
    /// How long the rest of a request is still read after its last answer, so that the client gets to see it.
    pub linger: Duration,
    /// How long requests under way may take to end after a shutdown.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 4096,
            head: Duration::from_secs(10),
            body: Duration::from_secs(60),
            body_bytes: 80 * 1024 * 1024,
            idle: Duration::from_secs(75),
            ping: Duration::from_secs(20),
            write: Duration::from_secs(30),
            answer: Duration::from_secs(120),
            linger: Duration::from_secs(5),
            grace: Duration::from_secs(10),
        }
    }
}
