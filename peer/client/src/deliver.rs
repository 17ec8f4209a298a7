//! One block from an orderer, by a signed seek request.

use msp::Signer;
use prost::Message as _;
use protocol::fabric::{
    ChannelHeader, Envelope, Header, HeaderType, Payload, SeekBehavior, SeekInfo, SeekPosition,
    SignatureHeader, Status as FabricStatus, Timestamp,
};
use protocol::{Block, BlockNumber, ChannelId, DeliverReply, Endpoint};
use tokio_stream::StreamExt as _;
use transport::services::delivery::DeliveryClient;
use transport::{Status, TrustRoots};

use crate::connection::Connection;
use crate::deadlines::Phase;
use crate::direct::status_name;
use crate::draft::now_ms;
use crate::error::{ClientError, Fault, Rejection};

/// Which block is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockPosition {
    /// The newest.
    Newest,
    /// The genesis block.
    Oldest,
    /// The one that holds the configuration in force.
    Config,
    /// The one of that number.
    Number(BlockNumber),
}

impl Connection {
    /// Fetches a block from an orderer.
    ///
    /// # Errors
    /// [`Rejection::Broadcast`] with Fabric's status where the orderer has no such block or refuses.
    pub async fn block_from_orderer(
        &self,
        channel: &ChannelId,
        position: BlockPosition,
        orderer: &Endpoint,
        roots: &TrustRoots,
    ) -> Result<Block, ClientError> {
        let dialler = self.dialler(roots);
        dialler.probe(orderer).await.map_err(Fault::Transport)?;
        let service = DeliveryClient::new(dialler.connect(orderer));
        let fetch = async |seek: SeekPosition| {
            let envelope = self.seek(channel, seek)?;
            let call = self.call_at(orderer, Phase::Deliver, None);
            match call.status(first(&service, envelope)).await? {
                Some(DeliverReply::Block(bytes)) => {
                    Block::from_bytes(&bytes).map_err(|error| call.unusable(error.to_string()))
                }
                Some(DeliverReply::Status(status, info)) => {
                    let (endpoint, name) = (orderer.clone(), status_name(status));
                    Err(Rejection::Broadcast { endpoint, status, name, info }.into())
                }
                None => Err(call.unusable("the stream ended without a block")),
            }
        };
        match position {
            BlockPosition::Newest => fetch(SeekPosition::newest()).await,
            BlockPosition::Oldest => fetch(SeekPosition::oldest()).await,
            BlockPosition::Number(number) => fetch(SeekPosition::specified(number.0)).await,
            BlockPosition::Config => {
                let newest = fetch(SeekPosition::newest()).await?;
                fetch(SeekPosition::specified(newest.header.last_config.0)).await
            }
        }
    }

    /// A signed request for one block, which is refused if the block is not there.
    fn seek(&self, channel: &ChannelId, position: SeekPosition) -> Result<Envelope, Fault> {
        let signer: &dyn Signer = self.signer();
        let now_ms = now_ms()?;
        let channel_header = ChannelHeader {
            r#type: HeaderType::DeliverSeekInfo.into(),
            channel_id: channel.as_str().to_owned(),
            timestamp: Some(Timestamp {
                seconds: i64::try_from(now_ms / 1_000).unwrap_or(i64::MAX),
                nanos: i32::try_from(now_ms % 1_000 * 1_000_000).unwrap_or_default(),
            }),
            ..ChannelHeader::default()
        };
        let creator = SignatureHeader { creator: signer.serialized_identity(), ..SignatureHeader::default() };
        let seek = SeekInfo {
            start: Some(position.clone()),
            stop: Some(position),
            behavior: SeekBehavior::FailIfNotReady.into(),
        };
        let header = Header {
            channel_header: channel_header.encode_to_vec().into(),
            signature_header: creator.encode_to_vec().into(),
        };
        let payload = Payload { header: Some(header), data: seek.encode_to_vec().into() }.encode_to_vec();
        let signature =
            signer.sign(&payload).map_err(|error| Fault::Proposal { reason: error.to_string() })?;
        Ok(Envelope { payload: payload.into(), signature: signature.into() })
    }
}

/// The first block, or the status where none comes.
async fn first(service: &DeliveryClient, envelope: Envelope) -> Result<Option<DeliverReply>, Status> {
    let mut replies = service.deliver(envelope).await?.into_inner();
    match replies.next().await.transpose()? {
        Some(DeliverReply::Status(status, info)) if status == i32::from(FabricStatus::Success) => {
            Err(Status::not_found(format!("the orderer sent no block: {info}")))
        }
        reply => Ok(reply),
    }
}
