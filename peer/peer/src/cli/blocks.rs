//! A block as people and programs read it: header, hashes, and who sent which transaction.
//!
//! Arguments and values are not shown: the file that `peer channel fetch` writes holds them.

use prost::Message as _;
use protocol::Block;
use protocol::fabric::{
    ChaincodeHeaderExtension, ChannelHeader, Envelope, HeaderType, Payload, SerializedIdentity,
    SignatureHeader,
};
use serde_json::{Value, json};

/// A block's header and its transactions, for programs.
pub fn json(block: &Block) -> Value {
    let header = &block.header;
    let transactions: Vec<Value> =
        block.envelopes.iter().enumerate().map(|(place, envelope)| transaction(place, envelope)).collect();
    let consenters: Vec<u32> = block.signatures.iter().map(|signature| signature.consenter).collect();
    json!({
        "header": {
            "channel": header.channel.as_str(),
            "number": header.number.0,
            "previous_hash": header.previous_hash.to_string(),
            "data_hash": header.data_hash.to_string(),
            "timestamp_ms": header.timestamp_ms,
            "last_config": header.last_config.0,
            "proof": { "difficulty_bits": header.proof.difficulty_bits, "nonce": header.proof.nonce },
        },
        "hash": header.hash().to_string(),
        "signed_by_consenters": consenters,
        "transactions": transactions,
    })
}

fn transaction(place: usize, envelope: &bytes::Bytes) -> Value {
    let read = read(envelope);
    let Some((channel, creator)) = read else {
        return json!({ "tx_number": place, "type": "unreadable" });
    };
    let chaincode = ChaincodeHeaderExtension::decode(channel.extension.clone())
        .ok()
        .and_then(|extension| extension.chaincode_id)
        .map(|id| id.name);
    let kind = match HeaderType::try_from(channel.r#type) {
        Ok(HeaderType::EndorserTransaction) => "ENDORSER_TRANSACTION".to_owned(),
        Ok(HeaderType::Config) => "CONFIG".to_owned(),
        _ => channel.r#type.to_string(),
    };
    json!({
        "tx_number": place,
        "tx_id": channel.tx_id,
        "type": kind,
        "creator_msp_id": creator,
        "chaincode": chaincode,
    })
}

/// The channel header, and the creator's organisation where there is one.
fn read(envelope: &bytes::Bytes) -> Option<(ChannelHeader, Option<String>)> {
    let payload = Payload::decode(Envelope::decode(envelope.clone()).ok()?.payload).ok()?;
    let header = payload.header?;
    let channel = ChannelHeader::decode(header.channel_header).ok()?;
    let creator = SignatureHeader::decode(header.signature_header)
        .ok()
        .and_then(|header| SerializedIdentity::decode(header.creator).ok())
        .map(|identity| identity.mspid)
        .filter(|msp_id| !msp_id.is_empty());
    Some((channel, creator))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use protocol::fabric::Header;
    use protocol::{BlockHash, BlockHeader, BlockNumber, ChannelId, Digest, Proof};

    use super::*;

    fn envelope() -> Bytes {
        let channel_header = ChannelHeader {
            r#type: 3,
            channel_id: "reports".to_owned(),
            tx_id: "ab".repeat(32),
            ..ChannelHeader::default()
        };
        let creator = SerializedIdentity { mspid: "HospitalAMSP".to_owned(), id_bytes: Bytes::new() };
        let signer = SignatureHeader { creator: creator.encode_to_vec().into(), nonce: Bytes::new() };
        let header = Header {
            channel_header: channel_header.encode_to_vec().into(),
            signature_header: signer.encode_to_vec().into(),
        };
        let payload = Payload { header: Some(header), data: Bytes::new() };
        Envelope { payload: payload.encode_to_vec().into(), signature: Bytes::new() }.encode_to_vec().into()
    }

    #[test]
    fn a_block_is_shown_with_its_transactions_and_noise_is_named() {
        let header = BlockHeader {
            version: BlockHeader::VERSION,
            channel: ChannelId::new("reports").unwrap(),
            number: BlockNumber(7),
            previous_hash: BlockHash::ZERO,
            data_hash: Digest::ZERO,
            timestamp_ms: 1,
            last_config: BlockNumber(0),
            proof: Proof::default(),
            envelope_count: None,
        };
        let hash = header.hash().to_string();
        let envelopes = vec![envelope(), Bytes::from_static(&[0xff; 9])];
        let shown = json(&Block { header, envelopes, signatures: Vec::new() });
        assert_eq!(shown["header"]["number"], 7);
        assert_eq!(shown["hash"], hash);
        assert_eq!(shown["transactions"][0]["tx_id"], "ab".repeat(32));
        assert_eq!(shown["transactions"][0]["type"], "ENDORSER_TRANSACTION");
        assert_eq!(shown["transactions"][0]["creator_msp_id"], "HospitalAMSP");
        assert_eq!(shown["transactions"][1]["type"], "unreadable");
    }
}
