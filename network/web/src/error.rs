//! What can go wrong when a listener starts, and when another node's listener is asked.

use std::io;

use thiserror::Error;

/// Why a listener did not start.
#[derive(Debug, Error)]
pub enum ServeError {
    /// The socket cannot be used.
    #[error("web listener cannot use its socket: {0}")]
    Socket(#[source] io::Error),
    /// No thread for the server.
    #[error("web listener has no thread: {0}")]
    Thread(#[source] io::Error),
    /// The server's thread ended before it served.
    #[error("web listener ended before it served; see the log")]
    Ended,
}

/// Why a node's listener gave no usable answer. A URL's query is never part of the text.
#[derive(Debug, Error)]
pub enum ClientError {
    /// The client could not be made.
    #[error("https client could not be made: {reason}")]
    Setup {
        /// What the library said.
        reason: String,
    },
    /// The URL is not one, or not `https`.
    #[error("{url:?} is not a URL that begins with https://")]
    Url {
        /// As given, without its query.
        url: String,
    },
    /// No answer.
    #[error("{url}: no answer: {reason}")]
    Request {
        /// What was asked, without its query.
        url: String,
        /// The chain of causes, outermost first.
        reason: String,
    },
    /// An answer, but not success.
    #[error("{url}: answered {status}: {text}")]
    Status {
        /// What was asked, without its query.
        url: String,
        /// The HTTP status.
        status: u16,
        /// The first 200 characters of the body.
        text: String,
    },
    /// The body is larger than this client reads.
    #[error("{url}: the answer exceeds {limit} bytes")]
    TooLarge {
        /// What was asked, without its query.
        url: String,
        /// The limit.
        limit: usize,
    },
    /// The body is not the JSON that was expected.
    #[error("{url}: the answer is not the expected JSON: {source}")]
    Json {
        /// What was asked, without its query.
        url: String,
        /// What the reader met.
        #[source]
        source: serde_json::Error,
    },
}
