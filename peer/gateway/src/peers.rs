//! How this peer reaches the peers of other hospitals for keys and sealed blocks.
//!
//! [`Peers`] is what the services need; [`RemotePeers`] fulfils it over whatever gives channels to an organisation's
//! peers. Each peer of the organisation is asked in turn until one can be reached. Nothing here decides or retries more.

use std::future::Future;
use std::time::Duration;

use configtx::ConfigBundle;
use futures_util::future::BoxFuture;
use protocol::{BlockResponse, KeyRelease, MspId, SignedRequest};
use transport::services::custody::CustodyClient;
use transport::services::exchange::ExchangeClient;
use transport::{Channel, Code, ResponseStream, Status};

/// A custodian may wait for the record of an opening before it answers; this is longer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);

/// Calls to peers of an organisation.
pub trait Peers: Send + Sync + 'static {
    /// Asks for the blocks of a DAG; the request is a signed `BlockRequest`.
    fn fetch<'a>(
        &'a self,
        bundle: &'a ConfigBundle,
        msp_id: &'a MspId,
        request: SignedRequest,
    ) -> BoxFuture<'a, Result<ResponseStream<BlockResponse>, Status>>;

    /// Asks a custodian for a key; the request is a signed `KeyRequest`.
    fn request_key<'a>(
        &'a self,
        bundle: &'a ConfigBundle,
        msp_id: &'a MspId,
        request: SignedRequest,
    ) -> BoxFuture<'a, Result<KeyRelease, Status>>;

    /// Hands a key to a custodian; the request is a signed `KeyDeposit`.
    fn deposit_key<'a>(
        &'a self,
        bundle: &'a ConfigBundle,
        msp_id: &'a MspId,
        request: SignedRequest,
    ) -> BoxFuture<'a, Result<String, Status>>;
}

/// Gives channels to the peers of an organisation, in the order in which they are to be asked.
pub trait PeerChannels: Send + Sync + 'static {
    /// The channels; empty where the organisation has no peers.
    fn channels_to(&self, bundle: &ConfigBundle, msp_id: &MspId) -> Vec<Channel>;
}

/// [`Peers`] over the network.
#[derive(Clone, Debug)]
pub struct RemotePeers<C>(C);

impl<C: PeerChannels> RemotePeers<C> {
    /// Takes what gives the channels.
    pub const fn new(channels: C) -> Self {
        Self(channels)
    }

    /// The first answer of a peer that could be reached, or the last reason why none was.
    async fn first<T, F>(
        &self,
        bundle: &ConfigBundle,
        msp_id: &MspId,
        call: impl Fn(Channel) -> F,
    ) -> Result<T, Status>
    where
        F: Future<Output = Result<T, Status>>,
    {
        let mut reason = Status::unavailable(format!(
            "{msp_id} has no peer that can be asked: the channel's configuration names none, or their ledgers differ from this one"
        ));
        for channel in self.0.channels_to(bundle, msp_id) {
            match tokio::time::timeout(ANSWER_TIMEOUT, call(channel)).await {
                Ok(Err(status)) if status.code() == Code::Unavailable => reason = status,
                Ok(answer) => return answer,
                Err(_) => reason = Status::unavailable("no answer in time"),
            }
        }
        Err(reason)
    }
}

impl<C: PeerChannels> Peers for RemotePeers<C> {
    fn fetch<'a>(
        &'a self,
        bundle: &'a ConfigBundle,
        msp_id: &'a MspId,
        request: SignedRequest,
    ) -> BoxFuture<'a, Result<ResponseStream<BlockResponse>, Status>> {
        Box::pin(self.first(bundle, msp_id, move |channel| {
            let request = request.clone();
            async move {
                let answer = ExchangeClient::new(channel).fetch(request).await?;
                let stream: ResponseStream<BlockResponse> = Box::pin(answer.into_inner());
                Ok(stream)
            }
        }))
    }

    fn request_key<'a>(
        &'a self,
        bundle: &'a ConfigBundle,
        msp_id: &'a MspId,
        request: SignedRequest,
    ) -> BoxFuture<'a, Result<KeyRelease, Status>> {
        Box::pin(self.first(bundle, msp_id, move |channel| {
            let request = request.clone();
            async move { Ok(CustodyClient::new(channel).request(request).await?.into_inner()) }
        }))
    }

    fn deposit_key<'a>(
        &'a self,
        bundle: &'a ConfigBundle,
        msp_id: &'a MspId,
        request: SignedRequest,
    ) -> BoxFuture<'a, Result<String, Status>> {
        Box::pin(self.first(bundle, msp_id, move |channel| {
            let request = request.clone();
            async move { Ok(CustodyClient::new(channel).deposit(request).await?.into_inner()) }
        }))
    }
}

impl PeerChannels for crate::Dialer {
    fn channels_to(&self, bundle: &ConfigBundle, msp_id: &MspId) -> Vec<Channel> {
        self.peers_of(bundle, msp_id).into_iter().map(|(_, channel)| channel).collect()
    }
}
