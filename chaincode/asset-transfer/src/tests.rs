//! One row a rule: the state before, the call, the answer, the write.

use std::collections::BTreeMap;
use std::sync::Arc;

use protocol::{BlockNumber, ChaincodeName, ChannelId, MspId, Poi, Role, TxId, TxNumber, Version};
use shim::{
    Creator, Invocation, KeyModification, NoDeadline, Simulation, SimulationLimits, StateFault, StateReader,
};

use super::*;

struct Memory(BTreeMap<String, Bytes>);

const VERSION: Version = Version { block_number: BlockNumber(1), tx_number: TxNumber(0) };

impl StateReader for Memory {
    fn value(&self, _: &str, key: &str) -> Result<Option<(Bytes, Version)>, StateFault> {
        Ok(self.0.get(key).map(|value| (value.clone(), VERSION)))
    }

    fn values(
        &self,
        _: &str,
        start: &str,
        _: &str,
        limit: usize,
    ) -> Result<Vec<(String, Bytes, Version)>, StateFault> {
        let inside = self.0.range(start.to_owned()..).take(limit);
        Ok(inside.map(|(key, value)| (key.clone(), value.clone(), VERSION)).collect())
    }

    fn history(
        &self,
        _: &str,
        key: &str,
        before: Option<Version>,
        limit: usize,
    ) -> Result<Vec<KeyModification>, StateFault> {
        let change = |value: Option<&Bytes>| KeyModification {
            tx_id: TxId::of(b"n", b"c"),
            value: value.cloned(),
            timestamp_ms: 951_782_400_001,
            version: VERSION,
        };
        let changes = self.0.get(key).map(|value| [change(None), change(Some(value))]);
        Ok(changes.into_iter().flatten().take(if before.is_none() { limit } else { 0 }).collect())
    }
}

fn run(args: &[&str]) -> (Result<String, i32>, Vec<(String, Option<String>)>) {
    let (answer, stub) = simulated(args);
    let writes = stub.finish().rwset.namespaces.into_iter().flat_map(|namespace| namespace.writes);
    let text = |value: Bytes| String::from_utf8(value.to_vec()).expect("text");
    (
        answer.map(text).map_err(|error| error.status),
        writes.map(|write| (write.key, write.value.map(text))).collect(),
    )
}

fn reads(args: &[&str]) -> Vec<String> {
    let namespaces = simulated(args).1.finish().rwset.namespaces.into_iter();
    namespaces.flat_map(|namespace| namespace.reads).map(|read| read.key).collect()
}

fn simulated(args: &[&str]) -> (Result<Bytes, ChaincodeError>, Simulation) {
    let one = r#"{"AppraisedValue":300,"Color":"blue","ID":"a1","Owner":"Tomoko","Size":5}"#;
    let state = BTreeMap::from([("a1".to_owned(), Bytes::from(one))]);
    let invocation = Invocation {
        channel: ChannelId::new("ch").expect("valid"),
        chaincode: ChaincodeName::new("asset-transfer").expect("valid"),
        version: "1.0".to_owned(),
        tx_id: TxId::of(b"n", b"c"),
        args: args.iter().map(|arg| Bytes::copy_from_slice(arg.as_bytes())).collect(),
        transient: BTreeMap::new(),
        creator: Creator {
            msp_id: MspId::new("AMSP").expect("valid"),
            poi: Poi::from_digest([0; 32]),
            roles: vec![Role::Member],
            attributes: BTreeMap::new(),
        },
        timestamp_ms: 0,
        reports: None,
        organization: None,
        examination: None,
    };
    let mut stub = Simulation::new(
        invocation,
        Arc::new(Memory(state)),
        Arc::new(NoDeadline),
        SimulationLimits::default(),
    );
    (AssetTransfer.invoke(&mut stub), stub)
}

#[test]
fn each_function_answers_and_writes_as_the_sample_does() {
    const A1: &str = r#"{"AppraisedValue":300,"Color":"blue","ID":"a1","Owner":"Tomoko","Size":5}"#;
    const MAX: &str = r#"{"AppraisedValue":300,"Color":"blue","ID":"a1","Owner":"Max","Size":5}"#;
    const NEW: &str = r#"{"AppraisedValue":7,"Color":"red","ID":"a2","Owner":"Brad","Size":2}"#;
    const RED: &str = r#"{"AppraisedValue":7,"Color":"red","ID":"a1","Owner":"Brad","Size":2}"#;
    type Row<'a> = (&'a [&'a str], Result<&'a str, i32>, &'a [(&'a str, Option<&'a str>)]);
    let rows: &[Row<'_>] = &[
        (&["CreateAsset", "a2", "red", "2", "Brad", "7"], Ok(NEW), &[("a2", Some(NEW))]),
        (&["CreateAsset", "a1", "red", "2", "Brad", "7"], Err(409), &[]),
        (&["CreateAsset", "a2", "red", "two", "Brad", "7"], Err(400), &[]),
        (&["CreateAsset", "a2"], Err(400), &[]),
        (&["CreateAsset", "", "red", "2", "Brad", "7"], Err(400), &[]),
        (&["PutAsset", "a1", "red", "2", "Brad", "7"], Ok(RED), &[("a1", Some(RED))]),
        (&["PutAsset", "a2", "red", "2", "Brad", "7"], Ok(NEW), &[("a2", Some(NEW))]),
        (&["PutAsset", "a2", "red", "2", "Brad"], Err(400), &[]),
        (&["ReadAsset", "a1"], Ok(A1), &[]),
        (&["ReadAsset", "a9"], Err(404), &[]),
        (&["UpdateAsset", "a1", "red", "2", "Brad", "7"], Ok(RED), &[("a1", Some(RED))]),
        (&["UpdateAsset", "a9", "red", "2", "Brad", "7"], Err(404), &[]),
        (&["DeleteAsset", "a1"], Ok(""), &[("a1", None)]),
        (&["DeleteAsset", "a9"], Err(404), &[]),
        (&["TransferAsset", "a1", "Max"], Ok("Tomoko"), &[("a1", Some(MAX))]),
        (&["TransferAsset", "a9", "Max"], Err(404), &[]),
        (&["AssetExists", "a1"], Ok("true"), &[]),
        (&["AssetExists", "a9"], Ok("false"), &[]),
        (&["Nothing"], Err(400), &[]),
        (&[], Err(400), &[]),
    ];
    for (args, answer, writes) in rows {
        let (found, written) = run(args);
        assert_eq!(found.as_deref().map_err(|status| *status), *answer, "{args:?}");
        let written: Vec<_> = written.iter().map(|(key, value)| (key.as_str(), value.as_deref())).collect();
        assert_eq!(written, *writes, "{args:?}");
    }
    assert!(
        reads(&["PutAsset", "a1", "red", "2", "Brad", "7"]).is_empty(),
        "a put meets no other transaction"
    );
    assert_eq!(reads(&["UpdateAsset", "a1", "red", "2", "Brad", "7"]), ["a1"]);
    assert_eq!(run(&["GetAllAssets"]).0, Ok(format!("[{A1}]")));
    assert_eq!(run(&["InitLedger"]).1.len(), 3);
}

#[test]
fn queries_answer_with_the_samples_json_and_write_nothing() {
    const A1: &str = r#"{"AppraisedValue":300,"Color":"blue","ID":"a1","Owner":"Tomoko","Size":5}"#;
    let tx_id = TxId::of(b"n", b"c");
    let time = "2000-02-29T00:00:00.001Z";
    const GONE: &str = r#"{"AppraisedValue":0,"Color":"","ID":"a1","Owner":"","Size":0}"#;
    let history = format!(
        r#"[{{"record":{GONE},"txId":"{tx_id}","timestamp":"{time}","isDelete":true}},{{"record":{A1},"txId":"{tx_id}","timestamp":"{time}","isDelete":false}}]"#
    );
    let page = format!(r#"{{"records":[{A1}],"fetchedRecordsCount":1,"bookmark":""}}"#);
    let empty = r#"{"records":[],"fetchedRecordsCount":0,"bookmark":""}"#;
    let by_range = "GetAssetsByRangeWithPagination";
    let rows: &[(&[&str], Result<&str, i32>)] = &[
        (&["GetAssetHistory", "a1"], Ok(&history)),
        (&["GetAssetHistory", "a9"], Ok("[]")),
        (&["GetAssetHistory", ""], Err(400)),
        (&["GetAssetHistory"], Err(400)),
        (&[by_range, "", "", "1", ""], Ok(&page)),
        (&[by_range, "a2", "", "5", ""], Ok(empty)),
        (&[by_range, "", "", "0", ""], Err(400)),
        (&[by_range, "", "", "10001", ""], Err(400)),
        (&[by_range, "", "", "all", ""], Err(400)),
        (&[by_range, "b", "", "5", "a"], Err(400)),
    ];
    for (args, answer) in rows {
        let (found, written) = run(args);
        assert_eq!(found.as_deref().map_err(|status| *status), *answer, "{args:?}");
        assert!(written.is_empty(), "{args:?}");
    }
}
