//! The gateway over a fake peer, fake endorsers and fake orderers, with real identities, proposals and endorsements.

#[path = "../../../../../network/configtx/tests/fixture/mod.rs"]
pub(crate) mod fixture;

mod commit_status;
mod endorse;
mod evaluate;
mod events;
mod strangers;
mod submit;
pub(crate) mod world;

use std::time::Duration;

use super::parse_timeout;
use super::slots::Places;

#[test]
fn a_timeout_header_has_digits_and_a_unit() {
    let rows = [
        ("1H", Some(Duration::from_secs(3_600))),
        ("2M", Some(Duration::from_secs(120))),
        ("10S", Some(Duration::from_secs(10))),
        ("250m", Some(Duration::from_millis(250))),
        ("7u", Some(Duration::from_micros(7))),
        ("99999999n", Some(Duration::from_nanos(99_999_999))),
        ("", None),
        ("S", None),
        ("100000000S", None),
        ("-1S", None),
        ("1x", None),
        ("1é", None),
    ];
    for (text, verdict) in rows {
        assert_eq!(parse_timeout(text), verdict, "{text:?}");
    }
}

#[test]
fn one_call_more_than_the_limit_is_refused_with_a_hint() {
    let places = Places::new("Endorse", 1);
    let held = places.enter().expect("a place");
    let status = places.enter().expect_err("no place");
    assert_eq!(status.code(), transport::Code::ResourceExhausted);
    assert!(
        status.message().contains("/gateway.Gateway/Endorse, exceeding concurrency limit (1)"),
        "{status:?}"
    );
    assert!(status.metadata().get("grpc-retry-pushback-ms").is_some());
    drop(held);
    assert!(places.enter().is_ok(), "a place again");
}
