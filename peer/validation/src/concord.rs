//! What the attestations of other organisations' peers say of the own ledger.
//!
//! The commit hash covers everything that was committed before, so two ledgers that differ at one height differ at every
//! later one, and each peer's newest attestation is all there is to compare. An organisation contradicts the own ledger
//! where a peer of it differs and none of it agrees. One that contradicts may itself be wrong; where a majority of the
//! channel's organisations does, the own ledger is the one that nobody can rely on.

use std::collections::{BTreeMap, BTreeSet};

use protocol::{CommitHash, MspId};

/// A peer's newest attestation beside the own ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// Both reached the same commit hash with that block.
    Agrees,
    /// They reached different ones.
    Differs,
    /// The own ledger has not committed that block yet.
    Ahead,
}

impl Comparison {
    /// Compares what was attested with what the own ledger has at that block.
    #[must_use]
    pub fn of(attested: CommitHash, own: Option<CommitHash>) -> Self {
        match own {
            None => Self::Ahead,
            Some(own) if own == attested => Self::Agrees,
            Some(_) => Self::Differs,
        }
    }
}

/// What follows for the own channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Concord {
    /// Nobody contradicts.
    Agreed,
    /// These organisations contradict, and they are no majority: their peers are avoided.
    Contradicted(Vec<MspId>),
    /// A majority of the channel's organisations contradicts: the own channel stops.
    Outvoted(Vec<MspId>),
}

/// Judges the newest attestation of each peer. Only what members of `organizations` say counts; the own organisation is
/// one of them.
#[must_use]
pub fn concord<'a>(
    organizations: impl IntoIterator<Item = &'a MspId>,
    words: impl IntoIterator<Item = (&'a MspId, Comparison)>,
) -> Concord {
    let organizations: BTreeSet<&MspId> = organizations.into_iter().collect();
    let mut said: BTreeMap<&MspId, (bool, bool)> = BTreeMap::new();
    for (msp_id, comparison) in words {
        let (agrees, differs) = said.entry(msp_id).or_default();
        *agrees |= comparison == Comparison::Agrees;
        *differs |= comparison == Comparison::Differs;
    }
    let contradicts = |(msp_id, (agrees, differs)): (&MspId, (bool, bool))| {
        (differs && !agrees && organizations.contains(msp_id)).then(|| msp_id.clone())
    };
    let contradicting: Vec<MspId> = said.into_iter().filter_map(contradicts).collect();
    if contradicting.is_empty() {
        Concord::Agreed
    } else if contradicting.len() * 2 > organizations.len() {
        Concord::Outvoted(contradicting)
    } else {
        Concord::Contradicted(contradicting)
    }
}

#[cfg(test)]
mod tests {
    use Comparison::{Agrees, Ahead, Differs};

    use super::*;

    fn msp(name: &str) -> MspId {
        MspId::new(name).expect("a name")
    }

    #[test]
    fn a_majority_of_organisations_outvotes_and_anything_less_is_avoided() {
        type Row<'a> = (&'a str, &'a str, &'a [(&'a str, Comparison)], &'a str);
        let rows: &[Row<'_>] = &[
            // name, organisations, what peers say, verdict
            ("nobody speaks", "A B C", &[], "agreed"),
            ("all agree", "A B C", &[("B", Agrees), ("C", Agrees)], "agreed"),
            ("some are ahead", "A B C", &[("B", Ahead), ("C", Agrees)], "agreed"),
            ("all are ahead", "A B C", &[("B", Ahead), ("C", Ahead)], "agreed"),
            ("one of two others", "A B C", &[("B", Differs), ("C", Agrees)], "contradicted B"),
            ("one, the other is silent", "A B C", &[("B", Differs)], "contradicted B"),
            ("one, the other is ahead", "A B C", &[("B", Differs), ("C", Ahead)], "contradicted B"),
            ("both others", "A B C", &[("B", Differs), ("C", Differs)], "outvoted B C"),
            ("the only other", "A B", &[("B", Differs)], "contradicted B"),
            ("half of four", "A B C D", &[("B", Differs), ("C", Differs), ("D", Agrees)], "contradicted B C"),
            ("three of four", "A B C D", &[("B", Differs), ("C", Differs), ("D", Differs)], "outvoted B C D"),
            (
                "three of five",
                "A B C D E",
                &[("C", Differs), ("D", Differs), ("E", Differs)],
                "outvoted C D E",
            ),
            ("two of five", "A B C D E", &[("D", Differs), ("E", Differs)], "contradicted D E"),
            (
                "two peers of one organisation count once",
                "A B C",
                &[("B", Differs), ("B", Differs), ("C", Agrees)],
                "contradicted B",
            ),
            (
                "an organisation with a peer that agrees does not contradict",
                "A B C",
                &[("B", Differs), ("B", Agrees), ("C", Differs)],
                "contradicted C",
            ),
            (
                "an organisation that left does not count",
                "A B C",
                &[("X", Differs), ("B", Differs)],
                "contradicted B",
            ),
            ("nobody but strangers", "A B C", &[("X", Differs), ("Y", Differs)], "agreed"),
        ];
        for (name, organizations, words, verdict) in rows {
            let organizations: Vec<MspId> = organizations.split(' ').map(msp).collect();
            let words: Vec<(MspId, Comparison)> =
                words.iter().map(|(name, said)| (msp(name), *said)).collect();
            let names = |list: Vec<MspId>| list.iter().map(MspId::as_str).collect::<Vec<_>>().join(" ");
            let found = match concord(&organizations, words.iter().map(|(msp_id, said)| (msp_id, *said))) {
                Concord::Agreed => "agreed".to_owned(),
                Concord::Contradicted(by) => format!("contradicted {}", names(by)),
                Concord::Outvoted(by) => format!("outvoted {}", names(by)),
            };
            assert_eq!(found, *verdict, "{name}");
        }
    }

    #[test]
    fn an_attestation_is_compared_with_the_own_hash_at_its_block() {
        let (one, two) = (CommitHash([1; 32]), CommitHash([2; 32]));
        assert_eq!(Comparison::of(one, Some(one)), Agrees);
        assert_eq!(Comparison::of(one, Some(two)), Differs);
        assert_eq!(Comparison::of(one, None), Ahead);
    }
}
