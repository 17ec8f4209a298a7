//! The verdict on an upload: likeness to the channel's reference reports, under both named profiles.
//!
//! The profile in force decides; the other's verdict is recorded beside it, so that a reader sees what the paper's rule
//! says and what the calibrated one says. All figures are integers: they reach the ledger.

use imaging::{AdmissionRule, PerceptualHash, Reference, Verdict};
use protocol::{AdmissionConfig, ReportsConfig};
use serde::{Deserialize, Serialize};
use shim::ChaincodeError;

/// One profile's verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerdictRecord {
    /// `paper-50` or `calibrated`.
    pub profile: String,
    /// Whether the score reaches the threshold.
    pub accepted: bool,
    /// Similarity, combined as the profile says, in parts per million.
    pub similarity_ppm: u32,
    /// The threshold in parts per million.
    pub threshold_ppm: u32,
    /// The most alike references, best first: id and similarity in parts per million.
    pub best: Vec<(String, u32)>,
}

/// What the rules said of an upload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdmissionRecord {
    /// The profile in force; empty where the channel has no rule for the modality.
    pub profile_in_force: String,
    /// `accepted`, `warning`, or `no rule`.
    pub outcome: String,
    /// The verdicts of both profiles.
    pub verdicts: Vec<VerdictRecord>,
}

/// Judges a hash by the channel's rule for a modality.
///
/// # Errors
/// 422 where the profile in force refuses and the channel says so; the message shows both similarities. 500 for a profile
/// that this release does not know.
pub fn judge(
    config: Option<&ReportsConfig>,
    modality: &str,
    hash: u64,
) -> Result<AdmissionRecord, ChaincodeError> {
    let rule = config.and_then(|config| config.admission.iter().find(|rule| rule.modality == modality));
    let Some(rule) = rule else {
        return Ok(AdmissionRecord {
            profile_in_force: String::new(),
            outcome: "no rule".to_owned(),
            verdicts: Vec::new(),
        });
    };
    let verdicts = verdicts(rule, hash);
    let in_force =
        verdicts.iter().find(|verdict| verdict.profile == rule.profile).ok_or_else(|| ChaincodeError {
            status: 500,
            message: format!("the channel's admission profile {:?} is unknown to this release", rule.profile),
        })?;
    let accepted = in_force.accepted;
    if !accepted && rule.refuse {
        return Err(ChaincodeError::unacceptable(refusal(rule, &verdicts)));
    }
    let outcome = if accepted { "accepted" } else { "warning" };
    Ok(AdmissionRecord { profile_in_force: rule.profile.clone(), outcome: outcome.to_owned(), verdicts })
}

fn verdicts(rule: &AdmissionConfig, hash: u64) -> Vec<VerdictRecord> {
    let references: Vec<Reference> = rule
        .references
        .iter()
        .map(|reference| Reference {
            id: reference.id.clone(),
            hash: PerceptualHash::from_bits(reference.hash),
        })
        .collect();
    let rules = [
        AdmissionRule::paper_50(rule.modality.clone(), references.clone()),
        AdmissionRule::calibrated(rule.modality.clone(), references),
    ];
    rules.iter().map(|rule| record(rule.evaluate(PerceptualHash::from_bits(hash)))).collect()
}

fn record(verdict: Verdict) -> VerdictRecord {
    VerdictRecord {
        profile: verdict.profile,
        accepted: verdict.accepted,
        similarity_ppm: verdict.score_ppm,
        threshold_ppm: verdict.threshold_ppm,
        best: verdict.best.into_iter().map(|best| (best.id, best.similarity_ppm)).collect(),
    }
}

fn refusal(rule: &AdmissionConfig, verdicts: &[VerdictRecord]) -> String {
    let lines: Vec<String> = verdicts
        .iter()
        .map(|verdict| {
            format!(
                "{}: similarity {} of {} needed, {}",
                verdict.profile,
                ppm_text(verdict.similarity_ppm),
                ppm_text(verdict.threshold_ppm),
                if verdict.accepted { "accepted" } else { "not accepted" }
            )
        })
        .collect();
    format!(
        "the image is not like a {} report of this channel, whose rule is {}; {}",
        rule.modality,
        rule.profile,
        lines.join("; ")
    )
}

/// `734375` as `0.7344`.
fn ppm_text(ppm: u32) -> String {
    let ten_thousandths = (ppm + 50) / 100;
    format!("{}.{:04}", ten_thousandths / 10_000, ten_thousandths % 10_000)
}

#[cfg(test)]
mod tests {
    use protocol::{Checkers, ReferenceHash};

    use super::*;

    fn config(profile: &str, refuse: bool) -> ReportsConfig {
        let reference = |(number, hash): (usize, u64)| ReferenceHash {
            id: format!("r{number}"),
            hash,
            source: "test".into(),
            licence: "test".into(),
        };
        ReportsConfig {
            checkers: Checkers { required: 2, organizations: vec![] },
            custodians: vec![],
            holders: vec![],
            admission: vec![AdmissionConfig {
                modality: "CR".into(),
                profile: profile.into(),
                refuse,
                references: [0, 0xff, 0xffff].into_iter().enumerate().map(reference).collect(),
            }],
        }
    }

    #[test]
    fn the_profile_in_force_decides_and_both_are_recorded() {
        // hash, profile, refuse, modality -> outcome (or refused), paper accepts, calibrated accepts
        type Row<'a> = (u64, &'a str, bool, &'a str, Result<&'a str, i32>, bool, bool);
        let rows: &[Row<'_>] = &[
            (0, "paper-50", true, "CR", Ok("accepted"), true, true),
            (0, "calibrated", true, "CR", Ok("accepted"), true, true),
            (0xffff_ffff, "paper-50", true, "CR", Ok("accepted"), true, false),
            (0xffff_ffff, "calibrated", false, "CR", Ok("warning"), true, false),
            (0xffff_ffff, "calibrated", true, "CR", Err(422), true, false),
            (u64::MAX, "paper-50", true, "CR", Err(422), false, false),
            (u64::MAX, "unknown", true, "CR", Err(500), false, false),
        ];
        for (hash, profile, refuse, modality, outcome, paper, calibrated) in rows {
            let found = judge(Some(&config(profile, *refuse)), modality, *hash);
            match (&found, outcome) {
                (Ok(record), Ok(outcome)) => {
                    assert_eq!(record.outcome, *outcome, "{hash:x} {profile}");
                    let accepted: Vec<bool> =
                        record.verdicts.iter().map(|verdict| verdict.accepted).collect();
                    assert_eq!(accepted, [*paper, *calibrated], "{hash:x} {profile}");
                    assert_eq!(record.verdicts[0].best.len(), 3);
                }
                (Err(error), Err(status)) => assert_eq!(error.status, *status, "{error}"),
                _ => panic!("{hash:x} {profile}: {found:?}"),
            }
        }
        assert_eq!(judge(Some(&config("calibrated", true)), "CT", 7).expect("no rule").outcome, "no rule");
        assert_eq!(judge(None, "CR", 7).expect("no rule").outcome, "no rule");
    }

    #[test]
    fn a_refusal_shows_both_similarities() {
        let error = judge(Some(&config("calibrated", true)), "CR", 0xffff_ffff).expect_err("refused");
        assert!(error.message.contains("paper-50: similarity 0.7500 of 0.5000 needed, accepted"), "{error}");
        assert!(
            error.message.contains("calibrated: similarity 0.6250 of 0.7400 needed, not accepted"),
            "{error}"
        );
    }
}
