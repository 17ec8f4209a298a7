//! A policy resolved for a channel and ready to judge signatures.
//!
//! Meaning: a signature policy holds when distinct signers can be given to its principals so that the tree of rules
//! holds. Every signer counts once, by organisation and PoI, however often or with whichever certificates it signed.
//! Fabric gives signers to principals greedily, from left to right and in the order of signatures; whatever it accepts
//! in any order is accepted here, and nothing depends on the order. For an implicit-meta policy each organisation's
//! policy is judged by itself over all signatures, as in Fabric.

use std::collections::{BTreeMap, BTreeSet};

use msp::VerifiedSignature;
use protocol::{MspId, Poi, Role};

use crate::{
    error::PolicyError,
    explanation::{Explained, Explanation, Outcome, Refusal, SignerName},
    implicit_meta::ImplicitMeta,
    matching::Meets,
    minimal::{self, Counts},
    principal::Principal,
    signature_policy::{Rule, SignaturePolicy},
    solver::{Node, TooManyWays, WAYS_MAX},
    text::Policy,
};

/// What a policy says of a set of signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether the signatures are enough.
    pub satisfied: bool,
    /// Why; its tree is made only for a refusal.
    pub explanation: Explanation,
}

/// A policy with everything resolved; evaluating it allocates little and verifies nothing.
#[derive(Clone, Debug)]
pub struct CompiledPolicy {
    path: String,
    form: Form,
}

#[derive(Clone, Debug)]
enum Form {
    Signature(CompiledRule),
    Organizations { rule: ImplicitMeta, needed: usize, organizations: Vec<(MspId, Option<CompiledRule>)> },
}

#[derive(Clone, Debug)]
struct CompiledRule {
    policy: SignaturePolicy,
    principals: Vec<Principal>,
    node: Node,
}

/// One signer, whatever the number of its signatures.
struct Signer<'a> {
    msp_id: &'a MspId,
    poi: Poi,
    roles: BTreeSet<Role>,
}

impl CompiledPolicy {
    /// Resolves `policy`, known by `path` such as `/Channel/Application/Endorsement`.
    ///
    /// For an implicit-meta policy, `sub_policy` gives each of `organizations` its signature policy of the name asked
    /// for; an organisation without one counts, and never agrees.
    ///
    /// # Errors
    /// [`PolicyError`]: an implicit-meta policy over no organisation; rules too entangled to be judged exactly.
    pub fn compile(
        path: impl Into<String>,
        policy: &Policy,
        organizations: &[MspId],
        sub_policy: impl Fn(&MspId, &str) -> Option<SignaturePolicy>,
    ) -> Result<Self, PolicyError> {
        let path = path.into();
        let rule = match policy {
            Policy::Signature(policy) => return Self::from_signature(path, policy),
            Policy::ImplicitMeta(rule) => rule.clone(),
        };
        let names: BTreeSet<&MspId> = organizations.iter().collect();
        if names.is_empty() {
            return Err(PolicyError::NoOrganizations { path, policy: rule.to_string() });
        }
        let mut compiled = Vec::with_capacity(names.len());
        for msp_id in names {
            let of_organization = match sub_policy(msp_id, &rule.sub_policy) {
                Some(policy) => Some(CompiledRule::new(&path, policy)?),
                None => None,
            };
            compiled.push((msp_id.clone(), of_organization));
        }
        let needed = rule.rule.threshold(compiled.len());
        Ok(Self { path, form: Form::Organizations { rule, needed, organizations: compiled } })
    }

    /// A signature policy, which needs no resolving.
    ///
    /// # Errors
    /// [`PolicyError::TooManyWays`].
    pub fn from_signature(path: impl Into<String>, policy: &SignaturePolicy) -> Result<Self, PolicyError> {
        let path = path.into();
        let rule = CompiledRule::new(&path, policy.clone())?;
        Ok(Self { path, form: Form::Signature(rule) })
    }

    /// The policy's path.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Judges `signatures`, whose order does not matter.
    #[must_use]
    pub fn evaluate(&self, signatures: &[VerifiedSignature]) -> Verdict {
        let signers = signers(signatures);
        let satisfied = self.holds(&signers);
        Verdict { satisfied, explanation: self.explanation(&signers, satisfied, !satisfied) }
    }

    /// The full tree, for a refusal and for an acceptance alike.
    #[must_use]
    pub fn explain(&self, signatures: &[VerifiedSignature]) -> Explanation {
        let signers = signers(signatures);
        self.explanation(&signers, self.holds(&signers), true)
    }

    /// Whether the policy holds where everybody signs who is meant by an able principal, and nobody else. Exact however many
    /// ways there are, since it lists none.
    #[must_use]
    pub fn can_be_met_by(&self, is_able: impl Fn(&Principal) -> bool) -> bool {
        match &self.form {
            Form::Signature(rule) => rule.policy.can_hold(&is_able),
            Form::Organizations { needed, organizations, .. } => {
                let rules = organizations.iter().filter_map(|(_, rule)| rule.as_ref());
                rules.filter(|rule| rule.policy.can_hold(&is_able)).count() >= *needed
            }
        }
    }

    /// Every principal named, in the organisations' policies too.
    #[must_use]
    pub fn principals(&self) -> BTreeSet<Principal> {
        self.rules().flat_map(|rule| rule.principals.iter().cloned()).collect()
    }

    /// At most `limit` sets of principals that satisfy the policy, smallest first, none containing another. A set does
    /// not say that a principal is needed twice: see [`CompiledPolicy::minimal_counts`].
    #[must_use]
    pub fn minimal_sets(&self, limit: usize) -> Vec<BTreeSet<Principal>> {
        let mut sets: Vec<BTreeSet<Principal>> = Vec::new();
        for counts in minimal::minimal(self.ways()) {
            let set: BTreeSet<Principal> = counts.into_keys().collect();
            if sets.len() < limit && !sets.contains(&set) {
                sets.push(set);
            }
        }
        sets
    }

    /// At most `limit` ways to satisfy the policy, each the number of distinct signers by principal, smallest first,
    /// none containing another. Where a policy has thousands of ways, only the first in the order of its text are
    /// looked at.
    #[must_use]
    pub fn minimal_counts(&self, limit: usize) -> Vec<BTreeMap<Principal, usize>> {
        let mut counts = minimal::minimal(self.ways());
        counts.truncate(limit);
        counts
    }

    fn ways(&self) -> Vec<Counts> {
        match &self.form {
            Form::Signature(rule) => minimal::of_rule(rule.policy.rule()),
            Form::Organizations { needed, organizations, .. } => {
                let rules = organizations.iter().filter_map(|(_, rule)| rule.as_ref());
                let each = rules.map(|rule| minimal::of_rule(rule.policy.rule())).collect();
                minimal::of_independent(*needed, each)
            }
        }
    }

    fn rules(&self) -> impl Iterator<Item = &CompiledRule> {
        let (one, many) = match &self.form {
            Form::Signature(rule) => (Some(rule), &[][..]),
            Form::Organizations { organizations, .. } => (None, &organizations[..]),
        };
        one.into_iter().chain(many.iter().filter_map(|(_, rule)| rule.as_ref()))
    }

    fn holds(&self, signers: &[Signer<'_>]) -> bool {
        match &self.form {
            Form::Signature(rule) => rule.holds(signers),
            Form::Organizations { needed, organizations, .. } => {
                let rules = organizations.iter().filter_map(|(_, rule)| rule.as_ref());
                rules.filter(|rule| rule.holds(signers)).count() >= *needed
            }
        }
    }

    fn explanation(&self, signers: &[Signer<'_>], satisfied: bool, with_tree: bool) -> Explanation {
        let policy = match &self.form {
            Form::Signature(rule) => rule.policy.to_string(),
            Form::Organizations { rule, .. } => rule.to_string(),
        };
        let root = with_tree.then(|| match &self.form {
            Form::Signature(rule) => rule.explain(signers),
            Form::Organizations { rule, needed, organizations } => Explained::Organizations {
                rule: rule.clone(),
                needed: *needed,
                organizations: organizations
                    .iter()
                    .map(|(msp_id, rule)| (msp_id.clone(), rule.as_ref().map(|rule| rule.explain(signers))))
                    .collect(),
            },
        });
        let names = signers.iter().map(Signer::name).collect();
        Explanation { path: self.path.clone(), policy, satisfied, signers: names, root }
    }
}

impl CompiledRule {
    fn new(path: &str, policy: SignaturePolicy) -> Result<Self, PolicyError> {
        let principals = policy.slots();
        let node = Node::compile(policy.rule(), &principals)
            .map_err(|TooManyWays| PolicyError::TooManyWays { path: path.to_owned(), limit: WAYS_MAX })?;
        Ok(Self { policy, principals, node })
    }

    fn solve(&self, signers: &[Signer<'_>]) -> (bool, Vec<(usize, usize)>) {
        let meets = Meets::new(self.principals.len(), signers.len(), |principal, signer| {
            signers[signer].refusal(&self.principals[principal]).is_none()
        });
        let mut pairs = Vec::new();
        (self.node.solve(&meets, &mut pairs), pairs)
    }

    fn holds(&self, signers: &[Signer<'_>]) -> bool {
        self.solve(signers).0
    }

    fn explain(&self, signers: &[Signer<'_>]) -> Explained {
        let pairs: BTreeMap<usize, usize> = self.solve(signers).1.into_iter().collect();
        explain(self.policy.rule(), &mut 0, &pairs, signers)
    }
}

/// Walks the rule as written; `place` counts its principals.
fn explain(
    rule: &Rule,
    place: &mut usize,
    pairs: &BTreeMap<usize, usize>,
    signers: &[Signer<'_>],
) -> Explained {
    match rule {
        Rule::OutOf { needed, rules } => Explained::OutOf {
            needed: *needed,
            rules: rules.iter().map(|rule| explain(rule, place, pairs, signers)).collect(),
        },
        Rule::SignedBy(principal) => {
            let met_by = pairs.get(place).and_then(|signer| signers.get(*signer));
            *place += 1;
            let outcome = met_by.map_or_else(
                || {
                    let reason =
                        |signer: &Signer<'_>| signer.refusal(principal).unwrap_or(Refusal::CountedElsewhere);
                    Outcome::Unmet(signers.iter().map(|signer| (signer.name(), reason(signer))).collect())
                },
                |signer| Outcome::MetBy(signer.name()),
            );
            Explained::Principal { principal: principal.clone(), outcome }
        }
    }
}

impl Signer<'_> {
    fn name(&self) -> SignerName {
        SignerName { msp_id: self.msp_id.clone(), poi: self.poi }
    }

    fn refusal(&self, principal: &Principal) -> Option<Refusal> {
        if *self.msp_id != principal.msp_id {
            Some(Refusal::WrongOrganization)
        } else if self.roles.contains(&principal.role) {
            None
        } else {
            Some(Refusal::WrongRole { roles: self.roles.iter().copied().collect() })
        }
    }
}

/// The distinct signers, sorted by organisation and PoI. Roles of several certificates of one key are joined.
fn signers(signatures: &[VerifiedSignature]) -> Vec<Signer<'_>> {
    let mut roles: BTreeMap<(&MspId, Poi), BTreeSet<Role>> = BTreeMap::new();
    for signature in signatures {
        let identity = signature.identity();
        roles.entry((identity.msp_id(), identity.poi())).or_default().extend(identity.roles());
    }
    roles.into_iter().map(|((msp_id, poi), roles)| Signer { msp_id, poi, roles }).collect()
}
