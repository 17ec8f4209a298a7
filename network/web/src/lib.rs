//! HTTPS on our own TLS: a listener for health and, later, the console; a client for other nodes' listeners.
//!
//! Both sides show a certificate and believe the same live roots as gRPC does; nothing is resumed. The listener runs in
//! a thread of its own, so that callers on tokio need not know the server's runtime. What a route answers is decided by
//! who gives the route; this crate knows no path. Framework types that other crates need come from [`actix_web`], re-exported
//! here.

mod client;
mod error;
mod route;
mod server;

pub use actix_web;
pub use client::HttpsClient;
pub use error::{ClientError, ServeError};
pub use route::{Reply, Route, WebRequest};
pub use server::WebServer;
