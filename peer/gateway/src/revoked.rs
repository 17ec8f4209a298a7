//! Streams and waits that end when the identity that asked for them is revoked.
//!
//! A request is judged when it arrives; what it opened may last for hours. The connection of a TLS key that no channel admits
//! any longer is closed as a whole. But an identity may have come over a connection that others share, and another channel
//! may still admit the key; so the streams of a channel end by its own revocations, of identities and of TLS keys.

use std::sync::Arc;

use futures_util::{StreamExt as _, stream};
use protocol::ChannelId;
use transport::{ResponseStream, Status};

use crate::ports::{Asker, Node};

/// Waits until the channel has nothing more for whoever asks; gives what to tell then.
pub(crate) async fn revocation<N: Node>(node: Arc<N>, channel: ChannelId, asker: Asker) -> Status {
    node.revoked(&channel, &asker).await
}

/// Passes a stream on until the channel has nothing more for whoever asked; its last item says so then.
pub(crate) fn until_revoked<N: Node, T: Send + 'static>(
    node: Arc<N>,
    channel: ChannelId,
    asker: Asker,
    items: ResponseStream<T>,
) -> ResponseStream<T> {
    let revoked = Box::pin(revocation(node, channel, asker));
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
            let asker = Asker::new(&who, None);
            until_revoked(world.node.clone(), ChannelId::new("reports").unwrap(), asker, items)
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
