//! A path and the function that answers it.

use std::future::Future;
use std::sync::Arc;

use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

/// What was asked.
#[derive(Clone, Debug)]
pub struct WebRequest {
    /// The path.
    pub path: String,
    /// The query as it came, without the question mark.
    pub query: String,
    /// The body; at most 64 kB.
    pub body: Bytes,
}

/// What is answered, and what a client received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The media type.
    pub content_type: String,
    /// The body.
    pub body: Bytes,
}

impl Reply {
    /// Makes a JSON reply.
    #[must_use]
    pub fn json(status: u16, value: &serde_json::Value) -> Self {
        let body = Bytes::from(value.to_string());
        Self { status, content_type: "application/json".to_owned(), body }
    }
}

type Handler = dyn Fn(WebRequest) -> BoxFuture<'static, Reply> + Send + Sync;

/// One path of a listener.
#[derive(Clone)]
pub struct Route {
    method: Method,
    path: String,
    handler: Arc<Handler>,
}

impl Route {
    /// Answers GET requests of `path` (actix-web's pattern syntax) with `handler`.
    pub fn get<F>(path: impl Into<String>, handler: impl Fn(WebRequest) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Reply> + Send + 'static,
    {
        Self {
            method: Method::GET,
            path: path.into(),
            handler: Arc::new(move |request| handler(request).boxed()),
        }
    }

    /// Adds the route to an application.
    pub(crate) fn register(&self, config: &mut web::ServiceConfig) {
        let handler = Arc::clone(&self.handler);
        let answer = move |request: HttpRequest, body: web::Bytes| {
            let request = WebRequest {
                path: request.path().to_owned(),
                query: request.query_string().to_owned(),
                body,
            };
            let reply = handler(request);
            async move { response(reply.await) }
        };
        config.route(&self.path, web::method(self.method.clone()).to(answer));
    }
}

impl std::fmt::Debug for Route {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Route({} {})", self.method, self.path)
    }
}

fn response(reply: Reply) -> HttpResponse {
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    HttpResponse::build(status).content_type(reply.content_type).body(reply.body)
}
