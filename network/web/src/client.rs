//! A client of other nodes' HTTPS listeners.
//!
//! Every request has a deadline and every answer a limit; redirects are not followed and no proxy is used, so that a node
//! is asked where its configuration says.

use std::error::Error;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::{Client, Url, redirect};
use serde::de::DeserializeOwned;
use transport::{ALPN_HTTP1, ALPN_HTTP2, TlsIdentity, TrustRoots, client_config};

use crate::error::ClientError;
use crate::route::Reply;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// For a request as a whole.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// One answer: health facts, lists of the console's API.
const BODY_BYTES_MAX: usize = 8 << 20;
/// How much of an error's body is quoted.
const QUOTED_CHARS_MAX: usize = 200;

/// Asks with one identity and one set of roots. Cheap to clone.
#[derive(Clone, Debug)]
pub struct HttpsClient(Client);

impl HttpsClient {
    /// Takes who we are and whom we believe.
    ///
    /// # Errors
    /// [`ClientError::Setup`] if the library refuses its configuration.
    pub fn new(identity: &TlsIdentity, roots: &TrustRoots) -> Result<Self, ClientError> {
        Client::builder()
            .tls_backend_preconfigured(client_config(identity, roots, &[ALPN_HTTP2, ALPN_HTTP1]))
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(REQUEST_TIMEOUT)
            .redirect(redirect::Policy::none())
            .tcp_nodelay(true)
            .https_only(true)
            .no_proxy()
            .build()
            .map(Self)
            .map_err(|error| ClientError::Setup { reason: chain(&error) })
    }

    /// Asks for a URL and returns the answer, whatever its status.
    ///
    /// # Errors
    /// [`ClientError`] for a URL that is none, no answer in time, or a body over 8 MiB.
    pub async fn get(&self, url: &str) -> Result<Reply, ClientError> {
        let url = parse(url)?;
        let shown = shown(&url);
        let failed = |error: reqwest::Error| ClientError::Request {
            url: shown.clone(),
            reason: chain(&error.without_url()),
        };
        let mut response = self.0.get(url).send().await.map_err(failed)?;
        let status = response.status().as_u16();
        let content_type = response
            .headers()
            .get(reqwest::header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
            .to_owned();
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > BODY_BYTES_MAX {
                return Err(ClientError::TooLarge { url: shown, limit: BODY_BYTES_MAX });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Reply { status, content_type, body: body.freeze() })
    }

    /// Asks for a URL and reads the JSON of a successful answer.
    ///
    /// # Errors
    /// As [`HttpsClient::get`]; [`ClientError::Status`] for a status other than 2xx; [`ClientError::Json`].
    pub async fn get_json<T: DeserializeOwned>(&self, url: &str) -> Result<T, ClientError> {
        let reply = self.get(url).await?;
        let url = shown(&parse(url)?);
        if !(200..300).contains(&reply.status) {
            return Err(ClientError::Status { url, status: reply.status, text: quoted(&reply.body) });
        }
        serde_json::from_slice(&reply.body).map_err(|source| ClientError::Json { url, source })
    }
}

fn parse(url: &str) -> Result<Url, ClientError> {
    let refused = || ClientError::Url { url: url.split('?').next().unwrap_or_default().to_owned() };
    let parsed = Url::parse(url).map_err(|_| refused())?;
    if parsed.scheme() == "https" { Ok(parsed) } else { Err(refused()) }
}

/// The URL without what may be private.
fn shown(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    url.to_string()
}

fn quoted(body: &Bytes) -> String {
    String::from_utf8_lossy(body).chars().take(QUOTED_CHARS_MAX).collect()
}

/// An error with its causes: the one that matters, such as a certificate's, is the innermost.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let inner = error.to_string();
        if !text.contains(&inner) {
            text = format!("{text}: {inner}");
        }
        cause = error.source();
    }
    text
}
