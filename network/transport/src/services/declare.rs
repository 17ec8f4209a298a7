//! The macro that turns a table of methods into a trait, a server and a client.
//!
//! It stands in place of generated code: the messages are declared by hand, and two formats meet in one service.

/// Declares one service. A row reads `kind method = "RpcName": Format<Request> => Format<Response>;` where kind is `unary`,
/// `server_stream`, `client_stream` or `bidi`. Both directions have a limit of their own: what a message may at most be is
/// what somebody can make the other side hold in memory.
macro_rules! grpc_service {
    (
        $(#[$doc:meta])*
        trait $service:ident, server $server:ident, client $client:ident;
        name $name:literal, requests $requests:expr, answers $answers:expr;
        $(
            $(#[$method_doc:meta])*
            $kind:ident $method:ident = $rpc:literal:
                $request_format:ident<$request:ty> => $response_format:ident<$response:ty>;
        )+
    ) => {
        $(#[$doc])*
        pub trait $service: Send + Sync + 'static {
            $(
                $(#[$method_doc])*
                fn $method(
                    &self,
                    request: tonic::Request<grpc_request!($kind $request)>,
                ) -> impl std::future::Future<
                    Output = Result<tonic::Response<grpc_response!($kind $response)>, tonic::Status>,
                > + Send;
            )+
        }

        #[doc = concat!("Serves `", $name, "` from an implementation of [`", stringify!($service), "`].")]
        pub struct $server<T>(std::sync::Arc<T>);

        impl<T: $service> $server<T> {
            /// Takes the implementation.
            pub fn new(service: T) -> Self {
                Self(std::sync::Arc::new(service))
            }

            /// Takes an implementation that others share.
            pub fn from_arc(service: std::sync::Arc<T>) -> Self {
                Self(service)
            }
        }

        impl<T> Clone for $server<T> {
            fn clone(&self) -> Self {
                Self(std::sync::Arc::clone(&self.0))
            }
        }

        impl<T> std::fmt::Debug for $server<T> {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(stringify!($server))
            }
        }

        impl<T> tonic::server::NamedService for $server<T> {
            const NAME: &'static str = $name;
        }

        impl<T: $service> tower::Service<http::Request<tonic::body::Body>> for $server<T> {
            type Response = http::Response<tonic::body::Body>;
            type Error = std::convert::Infallible;
            type Future = std::pin::Pin<
                Box<dyn std::future::Future<Output = Result<Self::Response, Self::Error>> + Send>,
            >;

            fn poll_ready(
                &mut self,
                _: &mut std::task::Context<'_>,
            ) -> std::task::Poll<Result<(), Self::Error>> {
                std::task::Poll::Ready(Ok(()))
            }

            fn call(&mut self, request: http::Request<tonic::body::Body>) -> Self::Future {
                let service = std::sync::Arc::clone(&self.0);
                match request.uri().path().strip_prefix(concat!("/", $name, "/")) {
                    $(
                        Some($rpc) => Box::pin(async move {
                            let codec = $crate::codec::WireCodec::<
                                $response, $crate::codec::$response_format,
                                $request, $crate::codec::$request_format,
                            >::default();
                            let mut grpc = tonic::server::Grpc::new(codec)
                                .max_decoding_message_size($requests)
                                .max_encoding_message_size($answers);
                            let method = tower::service_fn(
                                move |request: tonic::Request<grpc_request!($kind $request)>| {
                                    let service = std::sync::Arc::clone(&service);
                                    async move { service.$method(request).await }
                                },
                            );
                            let mut response = grpc_serve!($kind grpc, method, request);
                            let streams = grpc_streams!($kind);
                            let rpc = $crate::observer::Rpc { service: $name, method: $rpc, streams };
                            response.extensions_mut().insert(rpc);
                            Ok(response)
                        }),
                    )+
                    _ => {
                        let status = tonic::Status::unimplemented(concat!("no such method of ", $name));
                        Box::pin(std::future::ready(Ok(status.into_http())))
                    }
                }
            }
        }

        #[doc = concat!("Calls `", $name, "` at another node. Cheap to clone.")]
        #[derive(Clone, Debug)]
        pub struct $client(tonic::client::Grpc<tonic::transport::Channel>);

        impl $client {
            /// Takes the channel to the node.
            #[must_use]
            pub fn new(channel: tonic::transport::Channel) -> Self {
                Self(
                    tonic::client::Grpc::new(channel)
                        .max_decoding_message_size($answers)
                        .max_encoding_message_size($requests),
                )
            }

            $(
                $(#[$method_doc])*
                ///
                /// # Errors
                /// The server's status, or `UNAVAILABLE` with the reason when it is not reached. Unless the request has a
                /// timeout, only the connection's keep-alive ends the wait.
                pub async fn $method(
                    &self,
                    request: grpc_outgoing!($kind $request),
                ) -> Result<tonic::Response<grpc_incoming!($kind $response)>, tonic::Status> {
                    let mut grpc = self.0.clone();
                    grpc.ready().await.map_err(|error| tonic::Status::from_error(Box::new(error)))?;
                    let codec = $crate::codec::WireCodec::<
                        $request, $crate::codec::$request_format,
                        $response, $crate::codec::$response_format,
                    >::default();
                    let path = http::uri::PathAndQuery::from_static(concat!("/", $name, "/", $rpc));
                    grpc_call!(
                        $kind grpc, request, path, codec, $crate::codec::$request_format, $requests
                    )
                }
            )+
        }
    };
}

/// What a service's method takes.
macro_rules! grpc_request {
    (unary $t:ty) => { $t };
    (server_stream $t:ty) => { $t };
    (client_stream $t:ty) => { tonic::Streaming<$t> };
    (bidi $t:ty) => { tonic::Streaming<$t> };
}

/// What a service's method returns.
macro_rules! grpc_response {
    (unary $t:ty) => { $t };
    (client_stream $t:ty) => { $t };
    (server_stream $t:ty) => { $crate::services::ResponseStream<$t> };
    (bidi $t:ty) => { $crate::services::ResponseStream<$t> };
}

/// Whether a method answers with a stream.
macro_rules! grpc_streams {
    (unary) => {
        false
    };
    (client_stream) => {
        false
    };
    (server_stream) => {
        true
    };
    (bidi) => {
        true
    };
}

/// What a client's method takes.
macro_rules! grpc_outgoing {
    (unary $t:ty) => { impl tonic::IntoRequest<$t> };
    (server_stream $t:ty) => { impl tonic::IntoRequest<$t> };
    (client_stream $t:ty) => { impl tonic::IntoStreamingRequest<Message = $t> };
    (bidi $t:ty) => { impl tonic::IntoStreamingRequest<Message = $t> };
}

/// What a client's method returns.
macro_rules! grpc_incoming {
    (unary $t:ty) => { $t };
    (client_stream $t:ty) => { $t };
    (server_stream $t:ty) => { tonic::Streaming<$t> };
    (bidi $t:ty) => { tonic::Streaming<$t> };
}

macro_rules! grpc_serve {
    (unary $grpc:ident, $method:ident, $request:ident) => {
        $grpc.unary($method, $request).await
    };
    (server_stream $grpc:ident, $method:ident, $request:ident) => {
        $grpc.server_streaming($method, $request).await
    };
    (client_stream $grpc:ident, $method:ident, $request:ident) => {
        $grpc.client_streaming($method, $request).await
    };
    (bidi $grpc:ident, $method:ident, $request:ident) => {
        $grpc.streaming($method, $request).await
    };
}

macro_rules! grpc_call {
    (unary $grpc:ident, $request:ident, $path:ident, $codec:ident, $format:ty, $limit:expr) => {{
        let request = $request.into_request();
        $crate::codec::check_size::<_, $format>(request.get_ref(), $limit)?;
        $grpc.unary(request, $path, $codec).await
    }};
    (server_stream $grpc:ident, $request:ident, $path:ident, $codec:ident, $format:ty, $limit:expr) => {{
        let request = $request.into_request();
        $crate::codec::check_size::<_, $format>(request.get_ref(), $limit)?;
        $grpc.server_streaming(request, $path, $codec).await
    }};
    (client_stream $grpc:ident, $request:ident, $path:ident, $codec:ident, $format:ty, $limit:expr) => {
        $grpc.client_streaming($request.into_streaming_request(), $path, $codec).await
    };
    (bidi $grpc:ident, $request:ident, $path:ident, $codec:ident, $format:ty, $limit:expr) => {
        $grpc.streaming($request.into_streaming_request(), $path, $codec).await
    };
}
