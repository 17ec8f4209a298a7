//! Verdicts, faults and system chaincodes of a connection.

use client::{BlockPosition, ClientError, Draft, Fault, Rejection};
use protocol::fabric::Response;
use protocol::{Block, BlockHash, BlockHeader, BlockNumber, ChaincodeName, Digest, Endpoint, Proof};
use transport::Status;

use crate::world::{Running, channel, success};

fn draft() -> Draft {
    Draft::new(ChaincodeName::new("asset").unwrap(), "Read", &["car"])
}

#[tokio::test]
async fn a_verdict_other_than_valid_is_a_rejection_with_its_name() {
    let running = Running::start().await;
    let rows =
        [(11, "MVCC_READ_CONFLICT"), (10, "ENDORSEMENT_POLICY_FAILURE"), (255, "INVALID_OTHER_REASON")];
    for (number, name) in rows {
        *running.world.verdict.lock().unwrap() = number;
        let error = running.connection.submit(&channel(), &draft()).await.unwrap_err();
        let ClientError::Rejected(rejection) = &error else { panic!("{error}") };
        assert_eq!(rejection.code_name(), name);
        assert!(error.to_string().contains("block 7"), "{error}");
    }
    *running.world.verdict.lock().unwrap() = 99;
    let error = running.connection.submit(&channel(), &draft()).await.unwrap_err();
    assert!(error.to_string().contains("verdict 99 is unknown"), "{error}");
}

#[tokio::test]
async fn a_verdict_that_does_not_come_names_the_transaction() {
    let running = Running::start().await;
    *running.world.verdict.lock().unwrap() = -1;
    let error = running.connection.submit(&channel(), &draft()).await.unwrap_err();
    let ClientError::Fault(fault) = &error else { panic!("{error}") };
    assert!(matches!(**fault, Fault::Deadline { tx_id: Some(_), .. }), "{error}");
    assert_eq!(running.world.submitted(), 1);
}

#[tokio::test]
async fn a_chaincodes_error_is_a_rejection_with_its_status_and_text() {
    let running = Running::start().await;
    *running.world.answer.lock().unwrap() = Box::new(|_| Response {
        status: 404,
        message: "there is no asset car".to_owned(),
        payload: bytes::Bytes::new(),
    });
    let error = running.connection.evaluate(&channel(), &draft(), &[]).await.unwrap_err();
    let ClientError::Rejected(rejection) = &error else { panic!("{error}") };
    assert!(matches!(**rejection, Rejection::Chaincode { status: 404, .. }), "{error}");
    assert!(error.to_string().contains("there is no asset car"), "{error}");
}

#[tokio::test]
async fn a_gateways_refusal_is_passed_on_and_nothing_is_submitted() {
    let running = Running::start().await;
    let rows = [
        (Status::failed_precondition("no combination of peers can be derived"), true),
        (Status::permission_denied("not a writer"), true),
        (Status::unavailable("shutting down"), false),
    ];
    for (status, is_rejection) in rows {
        *running.world.refusal.lock().unwrap() = Some(status.clone());
        let error = running.connection.submit(&channel(), &draft()).await.unwrap_err();
        assert_eq!(matches!(error, ClientError::Rejected(_)), is_rejection, "{error}");
        assert!(error.to_string().contains(status.message()), "{error}");
    }
    assert_eq!(running.world.submitted(), 0);
}

#[tokio::test]
async fn peers_can_be_named_past_the_gateway() {
    let running = Running::start().await;
    let peers = [(running.endpoint.clone(), running.roots.clone())];
    let endorsed = running.connection.endorse_at(&channel(), &draft(), &peers).await.unwrap();
    assert_eq!(&endorsed.payload[..], b"result");
    running.connection.order(&channel(), &endorsed).await.unwrap();
    assert_eq!(running.connection.committed(&channel(), endorsed).await.unwrap().block_number.0, 7);
    let nowhere = Endpoint { host: "127.0.0.1".to_owned(), port: 1 };
    let peers = [(nowhere, running.roots.clone())];
    let error = running.connection.endorse_at(&channel(), &draft(), &peers).await.unwrap_err();
    assert!(error.to_string().contains("127.0.0.1:1"), "{error}");
}

fn block(number: u64) -> Block {
    let header = BlockHeader {
        version: BlockHeader::VERSION,
        channel: channel(),
        number: BlockNumber(number),
        previous_hash: BlockHash::ZERO,
        data_hash: Digest::ZERO,
        timestamp_ms: 1,
        last_config: BlockNumber(2),
        proof: Proof::default(),
        envelope_count: None,
    };
    Block { header, envelopes: Vec::new(), signatures: Vec::new() }
}

#[tokio::test]
async fn system_chaincodes_answer_about_channels_and_blocks() {
    let running = Running::start().await;
    *running.world.answer.lock().unwrap() = Box::new(|proposal| {
        let text = |index: usize| String::from_utf8_lossy(&proposal.args[index]).into_owned();
        match text(0).as_str() {
            "GetChannels" => success(br#"["b","a"]"#),
            "GetChainInfo" => success(
                br#"{"height":5,"current_block_hash":"aa","previous_block_hash":"bb","commit_hash":"cc"}"#,
            ),
            "GetBlockByNumber" => success(&block(text(2).parse().unwrap()).to_bytes()),
            "JoinChain" => success(b""),
            other => panic!("{other}"),
        }
    });
    let connection = &running.connection;
    let channels: Vec<_> = connection.channels().await.unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(channels, ["a", "b"]);
    assert_eq!(connection.chain_info(&channel()).await.unwrap().height, 5);
    let rows = [
        (BlockPosition::Newest, 4),
        (BlockPosition::Oldest, 0),
        (BlockPosition::Config, 2),
        (BlockPosition::Number(BlockNumber(3)), 3),
    ];
    for (position, number) in rows {
        assert_eq!(connection.block(&channel(), position).await.unwrap().header.number.0, number);
    }
    assert_eq!(connection.join(&block(0).to_bytes()).await.unwrap(), channel());
    assert!(connection.join(b"noise").await.unwrap_err().to_string().contains("genesis block"));
}

#[tokio::test]
async fn another_block_than_the_one_asked_for_is_not_taken() {
    let running = Running::start().await;
    *running.world.answer.lock().unwrap() = Box::new(|_| success(&block(9).to_bytes()));
    let asked = BlockPosition::Number(BlockNumber(3));
    let error = running.connection.block(&channel(), asked).await.unwrap_err();
    assert!(error.to_string().contains("asked for block 3"), "{error}");
}
