//! Admission rules: which references count, how ties fall, what a rule may hold.

use proptest::prelude::*;

use super::*;

/// References that match an all-zero hash in this many bits, named a, b, c and so on.
fn references(matching: &[u32]) -> Vec<Reference> {
    matching.iter().zip('a'..).map(|(bits, id)| reference(&id.to_string(), *bits)).collect()
}

/// A reference that matches an all-zero hash in `matching` bits.
fn reference(id: &str, matching: u32) -> Reference {
    let bits = u64::MAX.checked_shl(matching).unwrap_or(0);
    Reference { id: id.to_owned(), hash: PerceptualHash::from_bits(bits) }
}

fn rule(combine: Combine, threshold_ppm: u32, references: Vec<Reference>) -> AdmissionRule {
    AdmissionRule { combine, threshold_ppm, ..AdmissionRule::paper_50("CR", references) }
}

const IMAGE: PerceptualHash = PerceptualHash::from_bits(0);

#[test]
fn named_profiles_are_what_the_documentation_says() {
    let paper = AdmissionRule::paper_50("CR", references(&[10]));
    assert_eq!(
        (paper.profile.as_str(), paper.combine, paper.threshold_ppm),
        ("paper-50", Combine::Best, 500_000)
    );
    assert_eq!((paper.modality.as_str(), paper.action), ("CR", Action::Refuse));
    let ours = AdmissionRule::calibrated("CT", references(&[10, 20, 30]));
    assert_eq!(
        (ours.profile.as_str(), ours.combine, ours.threshold_ppm),
        ("calibrated", Combine::Top3, 740_000)
    );
    assert_eq!((ours.modality.as_str(), ours.action), ("CT", Action::Warn));
    assert_eq!((paper.check(), ours.check()), (Ok(()), Ok(())));
}

#[test]
fn a_rule_accepts_from_its_threshold_on() {
    use Combine::{Best, Top3};
    for (combine, threshold_ppm, matching, score_ppm, verdict) in [
        (Best, 500_000, vec![32], 500_000, true),
        (Best, 500_000, vec![31], 484_375, false),
        (Best, 500_001, vec![32], 500_000, false),
        (Best, 500_000, vec![0, 64, 3], 1_000_000, true),
        (Best, 1_000_000, vec![63], 984_375, false),
        (Best, 0, vec![0], 0, true),
        (Best, 0, vec![], 0, false),
        (Top3, 740_000, vec![48, 47, 47, 0], 739_583, false),
        (Top3, 739_583, vec![48, 47, 47, 0], 739_583, true),
        (Top3, 739_584, vec![48, 47, 47, 0], 739_583, false),
        (Top3, 740_000, vec![48, 48, 47], 744_791, true),
        (Top3, 740_000, vec![64, 64], 666_666, false),
        (Top3, 666_666, vec![64, 64], 666_666, true),
        (Top3, 666_667, vec![64, 64], 666_666, false),
        (Top3, 1_000_000, vec![64, 64, 64], 1_000_000, true),
        (Top3, 0, vec![], 0, false),
    ] {
        let verdict_found = rule(combine, threshold_ppm, references(&matching)).evaluate(IMAGE);
        assert_eq!(
            (verdict_found.score_ppm, verdict_found.accepted),
            (score_ppm, verdict),
            "{combine:?} {threshold_ppm} {matching:?}"
        );
        assert_eq!(
            (verdict_found.threshold_ppm, verdict_found.profile.as_str()),
            (threshold_ppm, "paper-50")
        );
    }
}

#[test]
fn a_verdict_names_the_three_best_and_breaks_ties_by_id() {
    for (named, expected) in [
        (
            vec![("a", 1), ("b", 64), ("c", 32), ("d", 33)],
            vec![("b", 1_000_000), ("d", 515_625), ("c", 500_000)],
        ),
        (vec![("z", 8), ("m", 8), ("a", 8), ("b", 8)], vec![("a", 125_000), ("b", 125_000), ("m", 125_000)]),
        (vec![("z", 9), ("a", 8)], vec![("z", 140_625), ("a", 125_000)]),
        (vec![], vec![]),
    ] {
        let references = named.iter().map(|(id, matching)| reference(id, *matching)).collect();
        let verdict = rule(Combine::Best, 500_000, references).evaluate(IMAGE);
        let best: Vec<_> =
            verdict.best.iter().map(|found| (found.id.as_str(), found.similarity_ppm)).collect();
        assert_eq!(best, expected, "{named:?}");
    }
}

#[test]
fn a_rule_that_cannot_judge_is_refused_before_it_enters_the_configuration() {
    let good = || rule(Combine::Top3, 740_000, references(&[1, 2, 3]));
    let (profile, modality) = (|| "paper-50".to_owned(), || "CR".to_owned());
    let count = |found, min| AdmissionError::ReferenceCount {
        profile: profile(),
        modality: modality(),
        found,
        min,
        max: REFERENCES_MAX,
    };
    let id = |position, bytes| AdmissionError::ReferenceId {
        profile: profile(),
        modality: modality(),
        position,
        bytes,
        max: REFERENCE_ID_BYTES_MAX,
    };
    let many = |number: usize| (0..number).map(|at| reference(&at.to_string(), 5)).collect::<Vec<_>>();
    let named = |name: String| vec![reference("a", 1), reference("b", 1), reference(&name, 1)];
    for (rule, verdict) in [
        (good(), Ok(())),
        (
            AdmissionRule { profile: String::new(), ..good() },
            Err(AdmissionError::Unnamed { field: "profile" }),
        ),
        (
            AdmissionRule { modality: String::new(), ..good() },
            Err(AdmissionError::Unnamed { field: "modality" }),
        ),
        (AdmissionRule { references: references(&[1, 2]), ..good() }, Err(count(2, 3))),
        (AdmissionRule { references: vec![], combine: Combine::Best, ..good() }, Err(count(0, 1))),
        (AdmissionRule { references: many(REFERENCES_MAX), ..good() }, Ok(())),
        (AdmissionRule { references: many(REFERENCES_MAX + 1), ..good() }, Err(count(REFERENCES_MAX + 1, 3))),
        (AdmissionRule { threshold_ppm: 1_000_000, ..good() }, Ok(())),
        (
            AdmissionRule { threshold_ppm: 1_000_001, ..good() },
            Err(AdmissionError::Threshold {
                profile: profile(),
                modality: modality(),
                threshold_ppm: 1_000_001,
            }),
        ),
        (AdmissionRule { references: named(String::new()), ..good() }, Err(id(2, 0))),
        (AdmissionRule { references: named("x".repeat(128)), ..good() }, Ok(())),
        (AdmissionRule { references: named("x".repeat(129)), ..good() }, Err(id(2, 129))),
        (
            AdmissionRule { references: named("a".to_owned()), ..good() },
            Err(AdmissionError::DuplicateReference {
                profile: profile(),
                modality: modality(),
                id: "a".to_owned(),
            }),
        ),
    ] {
        assert_eq!(rule.check(), verdict);
    }
}

/// The rule in rational arithmetic and plain sorting: what `evaluate` must agree with.
fn model(rule: &AdmissionRule, hash: PerceptualHash) -> (bool, Vec<(String, u64)>) {
    let mut all: Vec<(String, u64)> = rule
        .references
        .iter()
        .map(|reference| (reference.id.clone(), 64 - u64::from(hash.distance(reference.hash))))
        .collect();
    all.sort_by(|left, right| right.1.cmp(&left.1).then(left.0.cmp(&right.0)));
    all.truncate(3);
    let counted = if rule.combine == Combine::Best { 1 } else { 3 };
    let matching: u64 = all.iter().take(counted).map(|(_, matching)| matching).sum();
    // matching / (64 counted) >= threshold / 10^6
    let accepted = matching * 1_000_000 >= u64::from(rule.threshold_ppm) * 64 * counted as u64;
    (accepted && !all.is_empty(), all)
}

proptest! {
    #[test]
    fn evaluation_agrees_with_the_model_whatever_the_order(
        hashes in proptest::collection::vec(any::<u64>(), 0..12),
        close in proptest::collection::vec((0_u32..64, 0_u32..64), 0..6),
        threshold_ppm in 0_u32..=1_000_000,
        top in any::<bool>(),
        image: u64,
    ) {
        let near = close.into_iter().map(|(left, right)| image ^ (1 << left) ^ (1 << right));
        let references: Vec<_> = hashes.into_iter().chain(near).enumerate()
            .map(|(at, bits)| Reference { id: format!("r{at}"), hash: PerceptualHash::from_bits(bits) })
            .collect();
        let combine = if top { Combine::Top3 } else { Combine::Best };
        let rule = rule(combine, threshold_ppm, references);
        let image = PerceptualHash::from_bits(image);
        let verdict = rule.evaluate(image);
        let (accepted, best) = model(&rule, image);
        prop_assert_eq!(verdict.accepted, accepted);
        prop_assert_eq!(verdict.accepted, !best.is_empty() && verdict.score_ppm >= threshold_ppm);
        let found: Vec<_> =
            verdict.best.iter().map(|found| (found.id.clone(), u64::from(found.similarity_ppm) / 15_625)).collect();
        prop_assert_eq!(found, best);
        let mut reversed = rule;
        reversed.references.reverse();
        prop_assert_eq!(reversed.evaluate(image), verdict);
    }
}
