//! Streams and waits that end when the identity that asked for them is revoked.
//!
//! A request is judged when it arrives; what it opened may last for hours. The connection of a revoked TLS key is closed as
//! a whole, but an identity may have come over a connection that others share, so its streams end by PoI.

use std::future::Future;
use std::sync::Arc;

use futures_util::{StreamExt as _, stream};
use msp::VerifiedIdentity;
use protocol::ChannelId;
use transport::{ResponseStream, Status};

use crate::ports::Node;

/// Waits until the identity is revoked; gives what to tell it then. Never ends for one that is not.
pub(crate) fn revocation<N: Node>(
    node: Arc<N>,
    channel: ChannelId,
    identity: &VerifiedIdentity,
) -> impl Future<Output = Status> + Send + use<N> {
    let (msp_id, poi) = (identity.msp_id().clone(), identity.poi());
    async move {
        node.revoked(&channel, &msp_id, &poi).await;
        Status::permission_denied(format!("identity {poi} of {msp_id} was revoked on channel {channel}"))
    }
}

/// Passes a stream on until the identity is revoked; its last item says so then.
pub(crate) fn until_revoked<N: Node, T: Send + 'static>(
    node: Arc<N>,
    channel: ChannelId,
    identity: &VerifiedIdentity,
    items: ResponseStream<T>,
) -> ResponseStream<T> {
    let revoked = Box::pin(revocation(node, channel, identity));
    Box::pin(stream::unfold(Some((items, revoked)), |state| async move {
        let (mut items, mut revoked) = state?;
        tokio::select! {
            biased;
            status = &mut revoked => Some((Err(status), None)),
            item = items.next() => Some((item?, Some((items, revoked)))),
        }
    }))
}

#[cfg(test)]
mod tests {
    use transport::Code;

    use super::*;
    use crate::service::tests::world::{OWN, World, within};

    #[tokio::test]
    async fn a_stream_passes_until_the_revocation_and_ends_with_its_reason() {
        let world = World::new();
        let user = world.network.identity(OWN, "user");
        let ledger = world.node.ledger(&ChannelId::new("reports").unwrap()).unwrap();
        let who = ledger.bundle().identify(&user.serialized(), crate::signed_request::now_ms()).unwrap();
        let passing = |items: ResponseStream<u8>| {
            until_revoked(world.node.clone(), ChannelId::new("reports").unwrap(), &who, items)
        };
        let endless: ResponseStream<u8> = Box::pin(stream::iter([Ok(1), Ok(2)]).chain(stream::pending()));
        let mut items = passing(endless);
        assert_eq!(within(items.next()).await.unwrap().unwrap(), 1);
        assert_eq!(within(items.next()).await.unwrap().unwrap(), 2);
        world.node.revocation.notify_one();
        let status = within(items.next()).await.unwrap().unwrap_err();
        assert!(
            status.code() == Code::PermissionDenied && status.message().contains("was revoked"),
            "{status:?}"
        );
        assert!(within(items.next()).await.is_none());
        let whole: Vec<_> = within(passing(Box::pin(stream::iter([Ok(1), Ok(2)]))).collect()).await;
        assert_eq!(whole.len(), 2, "an end is an end");
    }
}
