//! Reports as people read them.

use client::{
    AdmissionRecord, BlockVerification, Grant, MapPeer, Opening, ReportPage, ReportRecord, ShownReport,
    Uploaded, VerdictRecord,
};
use protocol::{TxId, VerifyFinding, VerifyReport};
use serde_json::{Value, json};

use super::progress::names;
use super::time::utc;

/// An upload's result.
pub fn uploaded(uploaded: &Uploaded) -> String {
    let record = &uploaded.record;
    let mut text = format!(
        "report           {}\nCID              {}\nperceptual hash  {}\nblock            {}\nchecked by       {}\n{}",
        record.report_id,
        record.cid,
        record.perceptual_hash,
        uploaded.block_number,
        names(&uploaded.checked_by),
        admission(&record.admission),
    );
    if let Some(warning) = warning(record) {
        text.push_str(&format!("\nwarning: {warning}"));
    }
    text
}

/// What a person should know of an upload that was taken in spite of the rule in force.
pub fn warning(record: &ReportRecord) -> Option<String> {
    (record.admission.outcome == "warning").then(|| {
        format!(
            "the image is not like a {} report of this channel by the profile in force ({}); it was recorded because the \
             channel only warns",
            record.modality, record.admission.profile_in_force
        )
    })
}

/// The verdicts of both profiles.
fn admission(admission: &AdmissionRecord) -> String {
    if admission.verdicts.is_empty() {
        return format!("admission        {}", admission.outcome);
    }
    let lines = admission.verdicts.iter().map(|verdict| {
        let in_force = if verdict.profile == admission.profile_in_force { " (in force)" } else { "" };
        format!("\n  {}{in_force}: {}", verdict.profile, verdict_text(verdict))
    });
    format!("admission        {}{}", admission.outcome, lines.collect::<String>())
}

fn verdict_text(verdict: &VerdictRecord) -> String {
    let best: Vec<String> =
        verdict.best.iter().map(|(id, similarity)| format!("{id} {}", ppm(*similarity))).collect();
    format!(
        "{}, similarity {} of {} needed; most alike: {}",
        if verdict.accepted { "accepted" } else { "not accepted" },
        ppm(verdict.similarity_ppm),
        ppm(verdict.threshold_ppm),
        if best.is_empty() { "no reference".to_owned() } else { best.join(", ") }
    )
}

/// Parts per million as a share of 1, four decimals.
fn ppm(parts: u32) -> String {
    let ten_thousandths = parts.saturating_add(50) / 100;
    format!("{}.{:04}", ten_thousandths / 10_000, ten_thousandths % 10_000)
}

/// One line a report.
pub fn list(records: &[ReportRecord]) -> String {
    let line = |record: &ReportRecord| {
        format!(
            "{}  {}  {:<8} {:<10} {:>12} bytes  {}",
            record.report_id,
            utc(record.uploaded_at_ms),
            record.modality,
            format!("{:?}", record.state).to_lowercase(),
            record.size,
            record.owner
        )
    };
    records.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Some reports, and how to see the next ones.
pub fn page(page: &ReportPage, size: u32) -> String {
    let records = list(&page.records);
    match page.bookmark.as_str() {
        "" => records,
        bookmark => format!("{records}\nmore: --page-size {size} --bookmark {bookmark}"),
    }
}

/// A report with its place in the chain and its grants.
pub fn shown(shown: &ShownReport) -> String {
    let record = &shown.record;
    format!(
        "report               {}\nowner                {}\nmodality             {}\nmedia type           {}, {} bytes, sealed {} \
         bytes\nCID                  {}\nbinding              {}\nperceptual hash      {}\npatient pseudonym    {}\nstate                {}\n\
         uploaded             {}\ncustodians           {}\n{}\n\n{}\n\n{}",
        record.report_id,
        record.owner,
        record.modality,
        record.media_type,
        record.size,
        record.sealed_size,
        record.cid,
        record.binding,
        record.perceptual_hash,
        if record.patient_ref.is_empty() { "none" } else { &record.patient_ref },
        format!("{:?}", record.state).to_lowercase(),
        utc(record.uploaded_at_ms),
        names(&record.custodians),
        admission(&record.admission),
        map_peer(&shown.map_peer),
        grants(&shown.grants),
    )
}

fn map_peer(map: &MapPeer) -> String {
    format!(
        "PoI                  {}\nBlock_Index          {}\nHash_value           {}\nPoW                  nonce {}, {} leading zero \
         bits\nPrevious_Block_Hash  {}\ntimestamp            {}\nverdict              {}\nnext block           {}",
        map.poi,
        map.block_index,
        map.hash_value,
        map.pow.nonce,
        map.pow.difficulty_bits,
        map.previous_block_hash,
        utc(map.timestamp_ms),
        map.code,
        match map.next_block_confirms {
            Some(true) => "names this block's hash",
            Some(false) => "names ANOTHER hash: the chain of this peer is damaged",
            None => "is not there yet",
        }
    )
}

fn grants(grants: &[Grant]) -> String {
    if grants.is_empty() {
        return "shared with          nobody".to_owned();
    }
    let line = |grant: &Grant| {
        let state = if grant.live { "live" } else { "withdrawn" };
        format!("shared with          {} ({state}, by {} in {})", grant.msp_id, grant.by_msp, grant.tx_id)
    };
    grants.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// One line an opening.
pub fn openings(openings: &[Opening]) -> String {
    let line = |opening: &Opening| {
        format!(
            "{}  {}  {}  {}  {}",
            utc(opening.opened_at_ms),
            opening.msp_id,
            opening.poi,
            opening.tx_id,
            opening.purpose
        )
    };
    openings.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// The paper's words.
pub const fn verdict(is_valid: bool) -> &'static str {
    if is_valid { "Valid Transaction" } else { "Invalid Transaction" }
}

/// The verdict of a verification with every finding, the paper's words first.
pub fn verified(report: &VerifyReport) -> String {
    let lines = report.findings.iter().map(|finding| {
        let mark = if finding.holds { "holds  " } else { "DIFFERS" };
        let detail = if finding.detail.is_empty() { String::new() } else { format!(": {}", finding.detail) };
        format!("\n  {mark} {}{detail}", finding.subject)
    });
    format!("{}{}", verdict(holds(report)), lines.collect::<String>())
}

/// The verdict on a block's reports of one identity, then each report.
pub fn verified_block(found: &BlockVerification) -> String {
    if let Some(reason) = &found.reason {
        return format!("{}\n  DIFFERS {reason}", verdict(false));
    }
    let reports = found.reports.iter().map(|(id, report)| format!("\nreport {id}: {}", verified(report)));
    format!("{}{}", verdict(found.is_valid()), reports.collect::<String>())
}

/// A verification for programs.
pub fn verification_json(id: &TxId, report: &VerifyReport) -> Value {
    let finding = |found: &VerifyFinding| json!({ "subject": found.subject, "holds": found.holds, "detail": found.detail });
    json!({
        "report_id": id.as_str(),
        "valid": holds(report),
        "verdict": verdict(holds(report)),
        "block_number": report.block_number.map(|number| number.0),
        "findings": report.findings.iter().map(finding).collect::<Vec<_>>(),
    })
}

fn holds(report: &VerifyReport) -> bool {
    report.findings.iter().all(|finding| finding.holds)
}

#[cfg(test)]
mod tests {
    use client::ReportState;
    use protocol::{BlockNumber, MspId, Poi};

    use super::*;

    fn msp(name: &str) -> MspId {
        MspId::new(name).unwrap()
    }

    pub(crate) fn record(outcome: &str) -> ReportRecord {
        let verdict = |profile: &str, accepted, similarity_ppm| VerdictRecord {
            profile: profile.to_owned(),
            accepted,
            similarity_ppm,
            threshold_ppm: 740_000,
            best: vec![("ref-1".to_owned(), 734_375)],
        };
        ReportRecord {
            report_id: TxId::of(b"n", b"c"),
            owner: msp("HospitalAMSP"),
            poi: "00".repeat(32),
            patient_ref: String::new(),
            modality: "CR".to_owned(),
            media_type: "image/png".to_owned(),
            size: 10,
            sealed_size: 210,
            cid: "bafy".to_owned(),
            binding: "ab".repeat(32),
            perceptual_hash: "00ff00ff00ff00ff".to_owned(),
            admission: AdmissionRecord {
                profile_in_force: "calibrated".to_owned(),
                outcome: outcome.to_owned(),
                verdicts: vec![verdict("paper-50", true, 750_000), verdict("calibrated", false, 625_000)],
            },
            custodians: vec![msp("HospitalBMSP")],
            state: ReportState::Active,
            uploaded_at_ms: 0,
        }
    }

    #[test]
    fn an_upload_shows_both_profiles_and_its_warning() {
        let uploaded_as = |outcome: &str| {
            uploaded(&Uploaded {
                record: record(outcome),
                block_number: BlockNumber(7),
                checked_by: vec![msp("HospitalAMSP"), msp("HospitalBMSP")],
            })
        };
        let text = uploaded_as("warning");
        for part in [
            "paper-50: accepted, similarity 0.7500 of 0.7400 needed; most alike: ref-1 0.7344",
            "calibrated (in force): not accepted, similarity 0.6250",
            "checked by       HospitalAMSP, HospitalBMSP",
            "warning: the image is not like a CR report",
            "bafy",
            "00ff00ff00ff00ff",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(!uploaded_as("accepted").contains("warning:"));
    }

    #[test]
    fn a_verification_begins_with_the_papers_words() {
        let finding = |holds: bool, detail: &str| VerifyFinding {
            subject: "data_hash of block 7".to_owned(),
            holds,
            detail: detail.to_owned(),
        };
        let report = |findings| VerifyReport { block_number: Some(BlockNumber(7)), findings };
        assert!(verified(&report(vec![finding(true, "")])).starts_with("Valid Transaction\n"));
        let text = verified(&report(vec![finding(true, ""), finding(false, "header aa, content bb")]));
        assert!(text.starts_with("Invalid Transaction\n"), "{text}");
        assert!(text.contains("DIFFERS data_hash of block 7: header aa, content bb"), "{text}");
    }

    #[test]
    fn a_block_without_a_report_of_the_identity_is_invalid() {
        let finding = |holds| VerifyFinding { subject: "record".to_owned(), holds, detail: String::new() };
        let report = |holds| {
            (TxId::of(b"n", b"c"), VerifyReport { block_number: None, findings: vec![finding(holds)] })
        };
        let found = |reports, reason: Option<&str>| BlockVerification {
            poi: Poi::from_digest([1; 32]),
            block_number: BlockNumber(7),
            reports,
            reason: reason.map(str::to_owned),
        };
        let rows = [
            (found(vec![], Some("nothing")), "Invalid Transaction", Some("NO_SUCH_REPORT")),
            (found(vec![report(true)], None), "Valid Transaction", None),
            (found(vec![report(true), report(false)], None), "Invalid Transaction", Some("CONTENT_DIFFERS")),
        ];
        for (found, words, code) in rows {
            let text = verified_block(&found);
            assert!(text.starts_with(words), "{text}");
            assert_eq!(found.rejection().map(|rejection| rejection.code_name()).as_deref(), code, "{text}");
        }
    }
}
