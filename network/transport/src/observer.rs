//! Who is told of the requests that a server answered: how many, of which method, with which code.
//!
//! Only methods that this node has are told of, so that a caller who invents names adds none.

use std::fmt;
use std::sync::Arc;

use tonic::body::Body;
use tonic::{Code, Status};

/// A request that a method answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answered {
    /// Package and service, such as `gateway.Gateway`.
    pub service: &'static str,
    /// Method, such as `Endorse`.
    pub method: &'static str,
    /// How it ended; `None` for a method that answers with a stream, which has only begun.
    pub code: Option<Code>,
}

/// Which method answered; set on each response by the service, taken off by the server.
#[derive(Clone, Copy)]
pub(crate) struct Rpc {
    pub(crate) service: &'static str,
    pub(crate) method: &'static str,
    pub(crate) streams: bool,
}

/// Is told of every answered request. Clones share the closure.
#[derive(Clone)]
pub struct Observer(Arc<dyn Fn(&Answered) + Send + Sync>);

impl Observer {
    /// Takes the closure. It is called on the path of every request and must be quick.
    pub fn new(told: impl Fn(&Answered) + Send + Sync + 'static) -> Self {
        Self(Arc::new(told))
    }

    /// Tells of a response, if a method gave it.
    pub(crate) fn tell(&self, response: &mut http::Response<Body>) {
        let Some(Rpc { service, method, streams }) = response.extensions_mut().remove() else { return };
        // An error of a method without a stream is in the headers; after a message nothing but success follows.
        let code = Status::from_header_map(response.headers()).map_or(Code::Ok, |status| status.code());
        (self.0)(&Answered { service, method, code: (!streams || code != Code::Ok).then_some(code) });
    }
}

impl Default for Observer {
    /// Tells nobody.
    fn default() -> Self {
        Self::new(|_| {})
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observer")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn codes_of_messages_and_beginnings_of_streams_are_told_and_unknown_methods_are_not() {
        let told: Arc<Mutex<Vec<Option<Code>>>> = Arc::default();
        let list = Arc::clone(&told);
        let observer = Observer::new(move |answered| list.lock().expect("no panic").push(answered.code));
        let fine = || http::Response::new(Body::empty());
        let refused = || Status::not_found("no").into_http();
        for (mut response, streams) in [
            (fine(), Some(false)),
            (refused(), Some(false)),
            (fine(), Some(true)),
            (refused(), Some(true)),
            (refused(), None),
        ] {
            if let Some(streams) = streams {
                response.extensions_mut().insert(Rpc { service: "a.B", method: "C", streams });
            }
            observer.tell(&mut response);
        }
        let (ok, not_found) = (Some(Code::Ok), Some(Code::NotFound));
        assert_eq!(*told.lock().expect("no panic"), [ok, not_found, None, not_found]);
    }
}
