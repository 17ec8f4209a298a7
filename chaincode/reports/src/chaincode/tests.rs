//! The rules of upload, sharing and opening: one row a rule, on an in-memory ledger.

use std::collections::BTreeMap;
use std::sync::Arc;

use protocol::{BlockNumber, ChaincodeName, ChannelId, Poi, Role, TxNumber, Version};
use shim::{
    Creator, Examination, Invocation, NoDeadline, Simulation, SimulationLimits, StateFault, StateReader,
};

use super::*;
use crate::record::{Grant, Opening, ReportPage, ReportRecord};

const VERSION_1: Version = Version { block_number: BlockNumber(1), tx_number: TxNumber(0) };

#[derive(Clone, Default)]
struct Memory(BTreeMap<String, Bytes>);

impl StateReader for Memory {
    fn value(&self, _: &str, key: &str) -> Result<Option<(Bytes, Version)>, StateFault> {
        Ok(self.0.get(key).map(|value| (value.clone(), VERSION_1)))
    }

    fn values(
        &self,
        _: &str,
        start: &str,
        end: &str,
        limit: usize,
    ) -> Result<Vec<(String, Bytes, Version)>, StateFault> {
        let inside = self.0.range(start.to_owned()..end.to_owned()).take(limit);
        Ok(inside.map(|(key, value)| (key.clone(), value.clone(), VERSION_1)).collect())
    }
}

/// A ledger of one namespace on which calls are committed at once.
#[derive(Default)]
struct World {
    state: Memory,
    calls: u8,
}

impl World {
    fn call(
        &mut self,
        msp: &str,
        args: &[&str],
        found: Option<Examination>,
    ) -> Result<Bytes, ChaincodeError> {
        self.calls += 1;
        let invocation = Invocation {
            channel: ChannelId::new("ch").expect("valid"),
            chaincode: ChaincodeName::new(NAME).expect("valid"),
            version: "1.0".to_owned(),
            tx_id: TxId::of(&[self.calls], msp.as_bytes()),
            args: args.iter().map(|arg| Bytes::copy_from_slice(arg.as_bytes())).collect(),
            transient: BTreeMap::new(),
            creator: Creator {
                msp_id: MspId::new(msp).expect("valid"),
                poi: Poi::from_digest([7; 32]),
                roles: vec![Role::Member],
                attributes: BTreeMap::new(),
            },
            timestamp_ms: 1000,
            reports: None,
            organization: None,
            examination: found,
        };
        let state = Arc::new(self.state.clone());
        let mut stub = Simulation::new(invocation, state, Arc::new(NoDeadline), SimulationLimits::default());
        let answer = Reports.invoke(&mut stub)?;
        for write in stub.finish().rwset.namespaces.into_iter().flat_map(|namespace| namespace.writes) {
            match write.value {
                Some(value) => self.state.0.insert(write.key, value),
                None => self.state.0.remove(&write.key),
            };
        }
        Ok(answer)
    }

    fn uploaded() -> (Self, TxId) {
        let mut world = Self::default();
        let answer =
            world.call("A", &["UploadReport", &claim().to_string()], Some(examination())).expect("uploaded");
        let record: ReportRecord = serde_json::from_slice(&answer).expect("a record");
        (world, record.report_id)
    }
}

fn examination() -> Examination {
    Examination {
        cid: "bafkreihash".into(),
        binding: "ab".repeat(32),
        media_type: "image/png".into(),
        perceptual_hash: 0x084b_cb4a_5e3e_3e3c,
        size: 1000,
        sealed_size: 1200,
    }
}

fn claim() -> serde_json::Value {
    serde_json::json!({
        "cid": "bafkreihash", "binding": "ab".repeat(32), "media_type": "image/png", "modality": "CR",
        "perceptual_hash": "084bcb4a5e3e3e3c", "size": 1000, "sealed_size": 1200, "patient_ref": "", "share_with": ["B"],
    })
}

#[test]
fn a_claim_that_differs_from_the_content_is_refused() {
    let rows: &[(&str, serde_json::Value, i32, &str)] = &[
        ("cid", "bafkreiother".into(), 422, "the claimed cid bafkreiother"),
        ("binding", "cd".repeat(32).into(), 422, "the claimed binding"),
        ("perceptual_hash", "184bcb4a5e3e3e3c".into(), 422, "the claimed perceptual_hash 184bcb4a5e3e3e3c"),
        ("media_type", "image/jpeg".into(), 422, "the claimed media_type"),
        ("size", 999.into(), 422, "the claimed size 999"),
        ("sealed_size", 1.into(), 422, "the claimed sealed_size"),
        ("binding", "short".into(), 400, "field binding"),
        ("perceptual_hash", "xyz".into(), 400, "field perceptual_hash"),
        ("modality", "cr".into(), 400, "field modality"),
        ("patient_ref", "Jane Doe".into(), 400, "field patient_ref"),
        ("share_with", serde_json::json!(["A"]), 400, "owns the report"),
        ("share_with", serde_json::json!(["not a name"]), 400, "not valid"),
        ("extra", 1.into(), 400, "unknown field"),
    ];
    for (field, value, status, words) in rows {
        let mut claim = claim();
        claim[*field] = value.clone();
        let error = World::default()
            .call("A", &["UploadReport", &claim.to_string()], Some(examination()))
            .expect_err(field);
        assert_eq!(error.status, *status, "{field}: {error}");
        assert!(error.message.contains(words), "{field}: {error}");
    }
}

#[test]
fn digests_are_recorded_in_one_spelling_whatever_the_claim_spells() {
    let mut shouted = claim();
    shouted["binding"] = "AB".repeat(32).into();
    shouted["perceptual_hash"] = "084BCB4A5E3E3E3C".into();
    let answer = World::default().call("A", &["UploadReport", &shouted.to_string()], Some(examination()));
    let record: ReportRecord = serde_json::from_slice(&answer.expect("uploaded")).expect("a record");
    assert_eq!((record.binding, record.perceptual_hash), ("ab".repeat(32), "084bcb4a5e3e3e3c".to_owned()));
}

#[test]
fn an_upload_needs_an_examined_content_and_a_cid_that_is_new() {
    let (mut world, _) = World::uploaded();
    let again =
        world.call("A", &["UploadReport", &claim().to_string()], Some(examination())).expect_err("again");
    assert_eq!(again.status, 409);
    let blind =
        World::default().call("A", &["UploadReport", &claim().to_string()], None).expect_err("no key");
    assert_eq!(blind.status, 400);
    assert!(blind.message.contains("data_key"), "{blind}");
}

#[test]
fn only_the_owner_shares_and_only_owner_and_grantees_open() {
    let (mut world, id) = World::uploaded();
    let id = id.as_str();
    let unknown = "0".repeat(64);
    // who, call, status (200 is done); rows build on each other
    let rows: &[(&str, &[&str], i32)] = &[
        ("A", &["OpenReport", id, "ward round"], 200),
        ("B", &["OpenReport", id, "second opinion"], 200),
        ("C", &["OpenReport", id, "curiosity"], 403),
        ("C", &["ShareReport", id, "C"], 403),
        ("B", &["ShareReport", id, "C"], 403),
        ("A", &["ShareReport", id, "B"], 409),
        ("A", &["ShareReport", id, "C"], 200),
        ("A", &["ShareReport", id, "C"], 409),
        ("C", &["OpenReport", id, "consult"], 200),
        ("C", &["UnshareReport", id, "B"], 403),
        ("A", &["UnshareReport", id, "C"], 200),
        ("C", &["OpenReport", id, "again"], 403),
        ("A", &["UnshareReport", id, "C"], 404),
        ("A", &["ShareReport", id, "C"], 200),
        ("A", &["UnshareReport", id, "C"], 200),
        ("A", &["OpenReport", id, "  "], 400),
        ("A", &["OpenReport", id, &"x".repeat(501)], 400),
        ("A", &["OpenReport", &unknown, "why"], 404),
        ("A", &["ReadReport", "nonsense"], 400),
        ("A", &["ReadReport", id], 200),
        ("A", &["Nothing"], 400),
    ];
    for (msp, args, status) in rows {
        let found = world.call(msp, args, None).map_or_else(|error| error.status, |_| 200);
        assert_eq!(found, *status, "{msp} {args:?}");
    }
    let grants: Vec<Grant> =
        serde_json::from_slice(&world.call("B", &["ListGrants", id], None).expect("listed")).expect("grants");
    assert_eq!(
        grants.iter().map(|grant| (grant.msp_id.as_str(), grant.live)).collect::<Vec<_>>(),
        [("B", true), ("C", false)]
    );
    let openings: Vec<Opening> =
        serde_json::from_slice(&world.call("B", &["ListOpenings", id], None).expect("listed"))
            .expect("openings");
    assert_eq!(openings.len(), 3);
    assert!(openings.iter().any(|opening| opening.purpose == "second opinion"));
}

#[test]
fn a_listing_holds_each_report_once() {
    let (mut world, id) = World::uploaded();
    let listed: Vec<ReportRecord> =
        serde_json::from_slice(&world.call("C", &["ListReports"], None).expect("listed")).expect("records");
    assert_eq!(listed.iter().map(|record| &record.report_id).collect::<Vec<_>>(), [&id]);
    assert_eq!(listed[0].admission.outcome, "no rule");
}

#[test]
fn pages_of_the_listing_hold_each_report_once_and_nothing_else() {
    let (mut world, first) = World::uploaded();
    let mut expected = vec![first];
    for cid in ["bafkreitwo", "bafkreithree"] {
        let mut claim = claim();
        claim["cid"] = cid.into();
        let found = Examination { cid: cid.into(), ..examination() };
        let answer = world.call("A", &["UploadReport", &claim.to_string()], Some(found)).expect("uploaded");
        expected.push(serde_json::from_slice::<ReportRecord>(&answer).expect("a record").report_id);
    }
    expected.sort_by(|left, right| left.as_str().cmp(right.as_str()));
    let (mut bookmark, mut found) = (String::new(), Vec::new());
    for size in [2, 1] {
        let page = world.call("C", &["ListReports", "2", &bookmark], None).expect("a page");
        let page: ReportPage = serde_json::from_slice(&page).expect("a page");
        assert_eq!(page.records.len(), size);
        found.extend(page.records.into_iter().map(|record| record.report_id));
        bookmark = page.bookmark;
    }
    assert_eq!((found, bookmark.as_str()), (expected, ""));
    let rows = [("0", ""), ("many", ""), ("10001", ""), ("2", "grant/x"), ("2", "report0")];
    for (size, bookmark) in rows {
        let error = world.call("C", &["ListReports", size, bookmark], None).expect_err(size);
        assert_eq!(error.status, 400, "{size} {bookmark}: {error}");
    }
}
