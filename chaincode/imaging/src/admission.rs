//! The channel's admission rule: is a report's image enough like the references of its modality?
//!
//! A pure function of the rule and a hash, run by every endorser, so in whole numbers: a sum of similarities is
//! compared with a multiple of the threshold, and no quotient is formed before the decision. References of one rule
//! are of one modality; mixing radiographs and CT slices costs the rule most of its force.
//! Source: the paper, Fig. 2 and Eq. 1-4 (profile `paper-50`); `calibrated` is this project's own.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::PerceptualHash;

/// References a rule may hold: evaluation is linear in them, and they travel in channel configuration.
pub const REFERENCES_MAX: usize = 1024;

/// Length of a reference's id.
pub const REFERENCE_ID_BYTES_MAX: usize = 128;

/// How many best references count under [`Combine::Top3`], and how many a verdict names.
const BEST: usize = 3;

/// Similarity of equal hashes.
const PPM: u32 = 1_000_000;

/// A known image that others are compared with.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// Its name within the rule; shown in verdicts, so never that of a patient.
    pub id: String,
    /// Its wavelet hash.
    pub hash: PerceptualHash,
}

/// How similarities to several references become one score.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Combine {
    /// The highest counts.
    Best,
    /// The mean of the three highest counts; one that is missing counts as 0.
    Top3,
}

/// What follows when an image is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// The upload is not endorsed.
    Refuse,
    /// The upload is endorsed and its record says so.
    Warn,
}

/// The rule for one modality, part of channel configuration.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdmissionRule {
    /// Its name, repeated in verdicts.
    pub profile: String,
    /// The modality of reports that it judges, as DICOM abbreviates it (`CR`, `CT`).
    pub modality: String,
    /// What images are compared with, all of that modality.
    pub references: Vec<Reference>,
    /// How the score is made.
    pub combine: Combine,
    /// The lowest accepted score in parts per million.
    pub threshold_ppm: u32,
    /// What follows below it.
    pub action: Action,
}

/// A reference and how alike it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ReferenceMatch {
    /// Its id.
    pub id: String,
    /// Its similarity in parts per million, exactly.
    pub similarity_ppm: u32,
}

/// What a rule says of a hash, as it stands in the report's record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Verdict {
    /// Name of the rule.
    pub profile: String,
    /// Whether the score reaches the threshold.
    pub accepted: bool,
    /// The score in parts per million, rounded down; it reaches the threshold exactly when the exact score does.
    pub score_ppm: u32,
    /// The threshold at the time.
    pub threshold_ppm: u32,
    /// The three best references or fewer: most alike first, equally alike by id.
    pub best: Vec<ReferenceMatch>,
}

/// Why a rule cannot be used. The author of the channel configuration is at fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AdmissionError {
    /// Its profile or modality has no name.
    #[error("an admission rule has an empty {field}; name it")]
    Unnamed {
        /// Which of its fields.
        field: &'static str,
    },
    /// It has fewer references than its score needs, or too many.
    #[error("admission rule {profile} for {modality} has {found} references; give {min} to {max}")]
    ReferenceCount {
        /// Name of the rule.
        profile: String,
        /// Modality of the rule.
        modality: String,
        /// How many it has.
        found: usize,
        /// The fewest it needs.
        min: usize,
        /// The most it may have.
        max: usize,
    },
    /// A reference's id is empty or too long.
    #[error(
        "reference {position} of admission rule {profile} for {modality} has an id of {bytes} bytes; give 1 to {max}"
    )]
    ReferenceId {
        /// Name of the rule.
        profile: String,
        /// Modality of the rule.
        modality: String,
        /// Which reference, counted from 0.
        position: usize,
        /// Length of its id.
        bytes: usize,
        /// The longest it may be.
        max: usize,
    },
    /// Two references have one id, so a verdict would be ambiguous.
    #[error("admission rule {profile} for {modality} has two references with the id {id}; rename one")]
    DuplicateReference {
        /// Name of the rule.
        profile: String,
        /// Modality of the rule.
        modality: String,
        /// The id.
        id: String,
    },
    /// No score reaches the threshold.
    #[error(
        "admission rule {profile} for {modality} has a threshold of {threshold_ppm} ppm; give 0 to 1000000"
    )]
    Threshold {
        /// Name of the rule.
        profile: String,
        /// Modality of the rule.
        modality: String,
        /// Its threshold.
        threshold_ppm: u32,
    },
}

impl AdmissionRule {
    /// The paper's rule: the best similarity is at least 0.5, else the upload is refused.
    ///
    /// It validates next to nothing: with twenty references it accepts 96 of 100 pictures of anything.
    #[must_use]
    pub fn paper_50(modality: impl Into<String>, references: Vec<Reference>) -> Self {
        Self {
            profile: "paper-50".to_owned(),
            modality: modality.into(),
            references,
            combine: Combine::Best,
            threshold_ppm: 500_000,
            action: Action::Refuse,
        }
    }

    /// This project's rule: the mean of the three best similarities is at least 0.74, else a warning is recorded.
    ///
    /// Calibrated on twenty references of one modality; it turns away about one real radiograph in eight.
    #[must_use]
    pub fn calibrated(modality: impl Into<String>, references: Vec<Reference>) -> Self {
        Self {
            profile: "calibrated".to_owned(),
            modality: modality.into(),
            references,
            combine: Combine::Top3,
            threshold_ppm: 740_000,
            action: Action::Warn,
        }
    }

    /// Whether the rule may enter channel configuration.
    ///
    /// # Errors
    /// One for each cause in [`AdmissionError`]; the first that is found.
    pub fn check(&self) -> Result<(), AdmissionError> {
        for (field, name) in [("profile", &self.profile), ("modality", &self.modality)] {
            if name.is_empty() {
                return Err(AdmissionError::Unnamed { field });
            }
        }
        let (profile, modality) = (|| self.profile.clone(), || self.modality.clone());
        let (found, min, max) = (self.references.len(), self.combine.counted(), REFERENCES_MAX);
        if !(min..=max).contains(&found) {
            return Err(AdmissionError::ReferenceCount {
                profile: profile(),
                modality: modality(),
                found,
                min,
                max,
            });
        }
        if self.threshold_ppm > PPM {
            let threshold_ppm = self.threshold_ppm;
            return Err(AdmissionError::Threshold {
                profile: profile(),
                modality: modality(),
                threshold_ppm,
            });
        }
        let mut ids = BTreeSet::new();
        for (position, Reference { id, .. }) in self.references.iter().enumerate() {
            let (bytes, max) = (id.len(), REFERENCE_ID_BYTES_MAX);
            if !(1..=max).contains(&bytes) {
                let (profile, modality) = (profile(), modality());
                return Err(AdmissionError::ReferenceId { profile, modality, position, bytes, max });
            }
            if !ids.insert(id) {
                let (profile, modality, id) = (profile(), modality(), id.clone());
                return Err(AdmissionError::DuplicateReference { profile, modality, id });
            }
        }
        Ok(())
    }

    /// What the rule says of an image with this hash.
    ///
    /// It does not depend on the order of the references. Without any reference nothing is accepted.
    #[must_use]
    pub fn evaluate(&self, hash: PerceptualHash) -> Verdict {
        let mut ranked: Vec<_> = self
            .references
            .iter()
            .map(|reference| (hash.similarity(reference.hash), reference.id.as_str()))
            .collect();
        ranked.sort_unstable_by_key(|(similarity, id)| (Reverse(*similarity), *id));
        ranked.truncate(BEST);
        let counted = self.combine.counted();
        let sum: u64 = ranked.iter().take(counted).map(|(similarity, _)| u64::from(similarity.ppm())).sum();
        let counted = counted as u64;
        Verdict {
            profile: self.profile.clone(),
            accepted: !ranked.is_empty() && sum >= counted * u64::from(self.threshold_ppm),
            score_ppm: u32::try_from(sum / counted).unwrap_or(PPM),
            threshold_ppm: self.threshold_ppm,
            best: ranked
                .into_iter()
                .map(|(similarity, id)| ReferenceMatch {
                    id: id.to_owned(),
                    similarity_ppm: similarity.ppm(),
                })
                .collect(),
        }
    }
}

impl Combine {
    /// How many references the score is the mean of.
    const fn counted(self) -> usize {
        match self {
            Self::Best => 1,
            Self::Top3 => BEST,
        }
    }
}

#[cfg(test)]
mod tests;
