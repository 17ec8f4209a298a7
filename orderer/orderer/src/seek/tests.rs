//! One row a rule of a deliver request, its verdict last.

use bytes::Bytes;
use protocol::MspId;

use super::*;
use crate::world::{NOW_MS, World, signed};

const NEWEST: BlockNumber = BlockNumber(9);

struct Asked {
    header_type: HeaderType,
    at_ms: Option<u64>,
    org: usize,
    start: Option<SeekPosition>,
    stop: Option<SeekPosition>,
    behavior: SeekBehavior,
}

fn asked() -> Asked {
    Asked {
        header_type: HeaderType::DeliverSeekInfo,
        at_ms: Some(NOW_MS),
        org: 0,
        start: Some(SeekPosition::oldest()),
        stop: Some(SeekPosition::specified(u64::MAX)),
        behavior: SeekBehavior::BlockUntilReady,
    }
}

fn envelope(world: &World, asked: &Asked) -> Envelope {
    let user = &world.orgs[asked.org].user.identity;
    let timestamp = |at_ms: u64| Timestamp {
        seconds: i64::try_from(at_ms / 1000).expect("a time"),
        nanos: i32::try_from(at_ms % 1000 * 1_000_000).expect("a time"),
    };
    let header = ChannelHeader {
        r#type: asked.header_type.into(),
        channel_id: "reports".to_owned(),
        timestamp: asked.at_ms.map(timestamp),
        ..ChannelHeader::default()
    };
    let signature = SignatureHeader { creator: user.serialized(), nonce: Bytes::from_static(b"nonce") };
    let seek =
        SeekInfo { start: asked.start.clone(), stop: asked.stop.clone(), behavior: asked.behavior.into() };
    let bytes = signed(user, &header, &signature, seek.encode_to_vec().into());
    Envelope::decode(bytes).expect("an envelope")
}

#[test]
fn each_rule_of_a_deliver_request() {
    type Row = (&'static str, Asked, Result<(u64, u64, bool), (Status, &'static str)>);
    let position = |r#type| Some(SeekPosition { r#type: Some(r#type) });
    let next = seek_position::Type::NextCommit(protocol::fabric::SeekNextCommit {});
    let minutes = |minutes: u64| minutes * 60_000;
    let rows: Vec<Row> = vec![
        ("everything, live", asked(), Ok((0, u64::MAX, true))),
        (
            "the newest",
            Asked { start: Some(SeekPosition::newest()), stop: Some(SeekPosition::newest()), ..asked() },
            Ok((9, 9, true)),
        ),
        ("the next", Asked { start: position(next), ..asked() }, Ok((10, u64::MAX, true))),
        (
            "a range, without waiting",
            Asked {
                start: Some(SeekPosition::specified(3)),
                stop: Some(SeekPosition::specified(5)),
                behavior: SeekBehavior::FailIfNotReady,
                ..asked()
            },
            Ok((3, 5, false)),
        ),
        (
            "a range that ends before it starts",
            Asked {
                start: Some(SeekPosition::specified(5)),
                stop: Some(SeekPosition::specified(4)),
                ..asked()
            },
            Err((Status::BadRequest, "stop 4 lies before start 5")),
        ),
        ("no start", Asked { start: None, ..asked() }, Err((Status::BadRequest, "start names no position"))),
        ("no stop", Asked { stop: None, ..asked() }, Err((Status::BadRequest, "stop names no position"))),
        (
            "a transaction",
            Asked { header_type: HeaderType::EndorserTransaction, ..asked() },
            Err((Status::BadRequest, "header type 3 is no DELIVER_SEEK_INFO")),
        ),
        ("no time", Asked { at_ms: None, ..asked() }, Err((Status::BadRequest, "no timestamp"))),
        ("15 minutes old", Asked { at_ms: Some(NOW_MS - minutes(15)), ..asked() }, Ok((0, u64::MAX, true))),
        (
            "older",
            Asked { at_ms: Some(NOW_MS - minutes(15) - 1), ..asked() },
            Err((Status::BadRequest, "over 15 minutes apart")),
        ),
        (
            "of the future",
            Asked { at_ms: Some(NOW_MS + minutes(15) + 1), ..asked() },
            Err((Status::BadRequest, "over 15 minutes apart")),
        ),
        (
            "an organisation that may not read",
            Asked { org: 1, ..asked() },
            Err((Status::Forbidden, "Org2MSP does not satisfy /Channel/Readers")),
        ),
    ];
    let mut world = World::new(&[7050, 7051]);
    world.config.policies.insert(paths::READERS.to_owned(), "OR('Org1MSP.member')".to_owned());
    let bundle = world.bundle();
    for (name, asked, verdict) in rows {
        let found = judge(&envelope(&world, &asked), &bundle, NEWEST, NOW_MS);
        match (found, verdict) {
            (Ok(seek), Ok(verdict)) => assert_eq!((seek.start.0, seek.stop.0, seek.waits), verdict, "{name}"),
            (Err((status, text)), Err((wanted, part))) => {
                assert_eq!(status, wanted, "{name}: {text}");
                assert!(text.contains(part), "{name}: {text}");
            }
            (found, verdict) => panic!("{name}: {found:?}, wanted {verdict:?}"),
        }
    }
}

#[test]
fn strangers_forgers_and_expired_readers_are_refused() {
    let (world, other) = (World::new(&[7050]), World::new(&[7050]));
    let bundle = world.bundle();
    let good = envelope(&world, &asked());
    let forged = Envelope { signature: envelope(&world, &asked()).payload.slice(..70), ..good.clone() };
    let decade_ms = 3651 * 24 * 60 * 60 * 1000;
    let late = Asked { at_ms: Some(NOW_MS + decade_ms), ..asked() };
    let rows = [
        ("a stranger", envelope(&other, &asked()), NOW_MS),
        ("a forger", forged, NOW_MS),
        ("an expired certificate", envelope(&world, &late), NOW_MS + decade_ms),
    ];
    for (name, envelope, now_ms) in rows {
        let (status, text) = judge(&envelope, &bundle, NEWEST, now_ms).expect_err(name);
        assert_eq!(status, Status::Forbidden, "{name}: {text}");
    }
    let seek = judge(&good, &bundle, NEWEST, NOW_MS).expect("a member");
    assert_eq!(*seek.reader.msp_id(), MspId::new("Org1MSP").expect("valid"));
    assert!(
        seek.reader.at(NOW_MS + decade_ms).is_err(),
        "a stream notices the end of its reader's certificate"
    );
}

#[test]
fn bytes_that_are_no_request_are_refused() {
    let bundle = World::new(&[7050]).bundle();
    for payload in [&b""[..], b"\xff\xff", b"\x0a\x02\x0a\x00"] {
        let envelope = Envelope { payload: Bytes::copy_from_slice(payload), signature: Bytes::new() };
        let (status, _) = judge(&envelope, &bundle, NEWEST, NOW_MS).expect_err("no request");
        assert_eq!(status, Status::BadRequest);
    }
}
