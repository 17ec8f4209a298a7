//! Whom a gateway asks to endorse a proposal.
//!
//! Without a wish of the client the sets come from the chaincode's endorsement policy, those with the own organisation
//! first. With a wish exactly the named organisations are asked, as Fabric does: the client takes the responsibility. An
//! upload of a report shows the report to whoever is asked, so there the client must name checkers of the channel's list
//! (DESIGN, flows: policies by default), and a set is as large as the channel demands and the policy needs.

use std::collections::{BTreeMap, BTreeSet};

use configtx::{ConfigBundle, is_system_chaincode};
use policy::CompiledPolicy;
use protocol::{Checkers, MspId, Role};

use crate::proposal::ParsedProposal;

/// The transient field that holds a report's data key.
const DATA_KEY_FIELD: &str = "data_key";
/// Sets that are looked at; more alternatives than anybody tries.
const SETS_MAX: usize = 128;

/// What is to be planned.
#[derive(Clone, Copy, Debug)]
pub struct PlanRequest<'a> {
    /// The chaincode.
    pub chaincode: &'a str,
    /// The gateway's organisation.
    pub own: &'a MspId,
    /// The organisations that the client named; empty for none.
    pub requested: &'a [MspId],
    /// Whether the proposal carries a report's data key: see [`is_upload`].
    pub is_upload: bool,
}

/// Whom to ask. An organisation that must endorse with two peers stands there twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndorsementPlan {
    /// Whom to ask first.
    pub preferred: Vec<MspId>,
    /// Whom to ask where the preferred cannot be reached, in this order.
    pub alternatives: Vec<Vec<MspId>>,
}

impl EndorsementPlan {
    /// The preferred set, then the alternatives.
    pub fn sets(&self) -> impl Iterator<Item = &[MspId]> {
        std::iter::once(&self.preferred).chain(&self.alternatives).map(Vec::as_slice)
    }
}

/// Why nobody is asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanRefusal {
    /// The channel has no such chaincode.
    #[error("the channel has no chaincode {chaincode:?}")]
    UnknownChaincode {
        /// The name.
        chaincode: String,
    },
    /// A named organisation cannot endorse.
    #[error("{msp_id} has no peers on this channel; organisations with peers are {}", join(known))]
    WithoutPeers {
        /// The organisation.
        msp_id: MspId,
        /// Those that can endorse.
        known: Vec<MspId>,
    },
    /// An organisation is named twice.
    #[error("{msp_id} is named twice among the endorsing organisations")]
    NamedTwice {
        /// The organisation.
        msp_id: MspId,
    },
    /// The policy cannot be met by the channel's peers.
    #[error(
        "no combination of peers can be derived which satisfy the endorsement policy of {chaincode} ({policy}); organisations with peers are {}",
        join(known)
    )]
    Unsatisfiable {
        /// The chaincode.
        chaincode: String,
        /// The policy's path.
        policy: String,
        /// Those that could endorse.
        known: Vec<MspId>,
    },
    /// A change of identities that names another organisation.
    #[error(
        "identities of {own} are changed by a peer of {own} alone; leave {stranger} out of the endorsing organisations"
    )]
    NotItsOwn {
        /// Who was named.
        stranger: MspId,
        /// Whose identities change.
        own: MspId,
    },
    /// A proposal with a data key, on a channel without rules for reports.
    #[error(
        "the proposal carries a data key, and the channel has no rules for reports that say who may see it"
    )]
    NoReports,
    /// An upload that does not name who checks it.
    #[error(
        "an upload shows the report to its checkers: name {required} of {} as endorsing organisations, your own among them",
        join(checkers)
    )]
    UnnamedCheckers {
        /// How many are needed.
        required: u32,
        /// Who may check.
        checkers: Vec<MspId>,
    },
    /// An upload that names somebody who may not check.
    #[error("{msp_id} may not check uploads on this channel; checkers are {}", join(checkers))]
    NotAChecker {
        /// Who was named.
        msp_id: MspId,
        /// Who may check.
        checkers: Vec<MspId>,
    },
    /// An upload that the own hospital does not check.
    #[error("the own organisation {own} must be among the endorsing organisations of an upload")]
    OwnNotNamed {
        /// The organisation.
        own: MspId,
    },
    /// An upload with too few checkers.
    #[error(
        "an upload needs {required} checkers, at least one of another hospital; {} were named",
        join(named)
    )]
    TooFewCheckers {
        /// How many are needed.
        required: usize,
        /// Who was named.
        named: Vec<MspId>,
    },
}

fn join(names: &[MspId]) -> String {
    if names.is_empty() {
        return "none".to_owned();
    }
    names.iter().map(MspId::as_str).collect::<Vec<_>>().join(", ")
}

/// Whether a proposal carries a report's data key, so that only checkers may see it.
#[must_use]
pub fn is_upload(proposal: &ParsedProposal) -> bool {
    proposal.transient.contains_key(DATA_KEY_FIELD)
}

/// Whom to ask for endorsements.
///
/// # Errors
/// [`PlanRefusal`] says what to name instead.
pub fn plan(bundle: &ConfigBundle, request: &PlanRequest<'_>) -> Result<EndorsementPlan, PlanRefusal> {
    let chaincode = request.chaincode.to_owned();
    if bundle.definition(request.chaincode).is_none() {
        return Err(PlanRefusal::UnknownChaincode { chaincode });
    }
    check_named(bundle, request.requested)?;
    let stranger = request.requested.iter().find(|msp_id| *msp_id != request.own);
    if let (true, Some(stranger)) = (is_system_chaincode(request.chaincode), stranger) {
        return Err(PlanRefusal::NotItsOwn { stranger: stranger.clone(), own: request.own.clone() });
    }
    let known: Vec<MspId> = bundle.endorsing_organizations().cloned().collect();
    let Some(policy) = bundle.endorsement_policy_for(request.chaincode, request.own) else {
        return Err(PlanRefusal::Unsatisfiable { chaincode, policy: "none".to_owned(), known });
    };
    let ways = ways(bundle, policy);
    let mut sets = if request.is_upload {
        upload_sets(bundle, request, &ways)?
    } else if request.requested.is_empty() {
        policy_sets(&ways, request.own)
    } else {
        vec![request.requested.to_vec()]
    };
    if sets.is_empty() {
        return Err(PlanRefusal::Unsatisfiable { chaincode, policy: policy.path().to_owned(), known });
    }
    let preferred = sets.remove(0);
    Ok(EndorsementPlan { preferred, alternatives: sets })
}

/// How many peers of each organisation endorse.
type Way = BTreeMap<MspId, usize>;

fn check_named(bundle: &ConfigBundle, named: &[MspId]) -> Result<(), PlanRefusal> {
    let mut seen = BTreeSet::new();
    for msp_id in named {
        if !bundle.endorsing_organizations().any(|known| known == msp_id) {
            let known = bundle.endorsing_organizations().cloned().collect();
            return Err(PlanRefusal::WithoutPeers { msp_id: msp_id.clone(), known });
        }
        if !seen.insert(msp_id) {
            return Err(PlanRefusal::NamedTwice { msp_id: msp_id.clone() });
        }
    }
    Ok(())
}

/// The ways to meet the policy by peers that exist.
fn ways(bundle: &ConfigBundle, policy: &CompiledPolicy) -> Vec<Way> {
    let mut ways: Vec<Way> = Vec::new();
    for counts in policy.minimal_counts(SETS_MAX) {
        let mut way = Way::new();
        let by_peers = counts.keys().all(|principal| matches!(principal.role, Role::Peer | Role::Member));
        for (principal, count) in counts {
            *way.entry(principal.msp_id).or_default() += count;
        }
        let peers =
            |msp_id: &MspId| bundle.organization(msp_id).map_or(0, |organization| organization.peers.len());
        if by_peers && way.iter().all(|(msp_id, count)| *count <= peers(msp_id)) && !ways.contains(&way) {
            ways.push(way);
        }
    }
    ways
}

/// The ways with the own organisation first, then by size; otherwise in the policy's order.
fn policy_sets(ways: &[Way], own: &MspId) -> Vec<Vec<MspId>> {
    let mut ways: Vec<&Way> = ways.iter().collect();
    ways.sort_by_key(|way| (!way.contains_key(own), way.values().sum::<usize>()));
    ways.into_iter().map(|way| flattened(way, own)).collect()
}

/// The organisations of a way, the own one first.
fn flattened(way: &Way, own: &MspId) -> Vec<MspId> {
    let mut entries: Vec<(&MspId, usize)> = way.iter().map(|(msp_id, count)| (msp_id, *count)).collect();
    entries.sort_by_key(|(msp_id, _)| *msp_id != own);
    entries.into_iter().flat_map(|(msp_id, count)| std::iter::repeat_n(msp_id.clone(), count)).collect()
}

/// The sets that may check an upload: as few organisations as channel and policy allow, the own one always among them.
fn upload_sets(
    bundle: &ConfigBundle,
    request: &PlanRequest<'_>,
    ways: &[Way],
) -> Result<Vec<Vec<MspId>>, PlanRefusal> {
    let reports = bundle.config().reports.as_ref().ok_or(PlanRefusal::NoReports)?;
    let others = check_upload(&reports.checkers, request)?;
    let required = usize::try_from(reports.checkers.required).unwrap_or(usize::MAX).max(2);
    for size in required..=others.len() + 1 {
        let mut sets = Vec::new();
        for chosen in choices(&others, size - 1) {
            let set: BTreeSet<&MspId> = chosen.iter().copied().chain([request.own]).collect();
            let covers = |way: &&Way| way.keys().all(|msp_id| set.contains(msp_id));
            if let Some(way) = ways.iter().find(covers) {
                let ordered = std::iter::once(request.own).chain(chosen.iter().copied());
                let repeated = ordered.flat_map(|msp_id| {
                    std::iter::repeat_n(msp_id.clone(), way.get(msp_id).copied().unwrap_or(1))
                });
                sets.push(repeated.collect());
            }
        }
        if !sets.is_empty() {
            return Ok(sets);
        }
    }
    Ok(Vec::new())
}

/// Applies the rules for checkers; returns the named organisations but the own one, in the channel's order.
fn check_upload<'a>(checkers: &Checkers, request: &PlanRequest<'a>) -> Result<Vec<&'a MspId>, PlanRefusal> {
    let named = request.requested;
    let list = &checkers.organizations;
    if named.is_empty() {
        return Err(PlanRefusal::UnnamedCheckers { required: checkers.required, checkers: list.clone() });
    }
    if let Some(stranger) = named.iter().find(|msp_id| !list.contains(msp_id)) {
        return Err(PlanRefusal::NotAChecker { msp_id: stranger.clone(), checkers: list.clone() });
    }
    if !named.contains(request.own) {
        return Err(PlanRefusal::OwnNotNamed { own: request.own.clone() });
    }
    let required = usize::try_from(checkers.required).unwrap_or(usize::MAX).max(2);
    if named.len() < required {
        return Err(PlanRefusal::TooFewCheckers { required, named: named.to_vec() });
    }
    let mut others: Vec<&MspId> = named.iter().filter(|msp_id| *msp_id != request.own).collect();
    others.sort_by_key(|msp_id| list.iter().position(|checker| checker == *msp_id));
    Ok(others)
}

/// Every choice of `count` items, earlier items first; at most [`SETS_MAX`].
fn choices<'a>(items: &[&'a MspId], count: usize) -> Vec<Vec<&'a MspId>> {
    if count == 0 {
        return vec![Vec::new()];
    }
    let Some((first, rest)) = items.split_first() else { return Vec::new() };
    let mut found = Vec::new();
    for mut chosen in choices(rest, count - 1) {
        chosen.insert(0, *first);
        found.push(chosen);
    }
    if found.len() < SETS_MAX && rest.len() >= count {
        found.extend(choices(rest, count));
    }
    found.truncate(SETS_MAX);
    found
}
