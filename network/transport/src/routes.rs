//! Which service answers which path. gRPC paths are `/<package.Service>/<Method>`; a service is found by its name.

use std::collections::BTreeMap;
use std::convert::Infallible;

use tonic::Status;
use tonic::body::Body;
use tonic::server::NamedService;
use tower::util::BoxCloneSyncService;
use tower::{Service, ServiceExt as _};

type BoxedService = BoxCloneSyncService<http::Request<Body>, http::Response<Body>, Infallible>;

/// The services of one listener.
#[derive(Clone, Default)]
pub(crate) struct Routes(BTreeMap<&'static str, BoxedService>);

impl Routes {
    /// Adds a service under its own name; a second one of the same name takes the place of the first.
    pub(crate) fn add<S>(&mut self, service: S)
    where
        S: Service<http::Request<Body>, Response = http::Response<Body>, Error = Infallible>
            + NamedService
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send + 'static,
    {
        self.0.insert(S::NAME, BoxCloneSyncService::new(service));
    }

    /// Answers one request; `UNIMPLEMENTED` where no service has the name.
    pub(crate) async fn answer(&self, request: http::Request<Body>) -> http::Response<Body> {
        let service = service_of(request.uri().path()).and_then(|name| self.0.get(name)).cloned();
        match service {
            Some(service) => match service.oneshot(request).await {
                Ok(response) => response,
                Err(never) => match never {},
            },
            None => Status::unimplemented("this node offers no such service").into_http(),
        }
    }
}

fn service_of(path: &str) -> Option<&str> {
    path.strip_prefix('/')?.split_once('/').map(|(service, _)| service)
}

#[cfg(test)]
mod tests {
    use super::service_of;

    #[test]
    fn the_service_is_the_first_part_of_the_path() {
        let rows = [
            ("/gateway.Gateway/Evaluate", Some("gateway.Gateway")),
            ("/gateway.Gateway/", Some("gateway.Gateway")),
            ("/gateway.Gateway", None),
            ("gateway.Gateway/Evaluate", None),
            ("//x", Some("")),
            ("", None),
        ];
        for (path, service) in rows {
            assert_eq!(service_of(path), service, "{path:?}");
        }
    }
}
