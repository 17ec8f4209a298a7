//! Whether a channel would still have its majorities after an update of its consenters.
//!
//! There are two. A block needs the signatures of a majority of the consenters in force before it. And the order of blocks
//! needs a majority of the logs that vote, which follow the configuration one log after the other: until then the logs of
//! before decide, also about who follows them. An update that leaves either without its majority would be the last of its
//! channel, and nothing could take it back: so it is refused where it is submitted. What every consenter would judge alike is
//! judged by `configtx`; this depends on who is reached now.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use configtx::next_config;
use futures_util::future::join_all;
use ordering::majority;
use protocol::fabric::Status;
use protocol::{ChannelConfig, ConsensusReply, ConsensusRequest, Consenter, Standing};

use crate::channel::{Answer, Channel};
use crate::consenters::ConsenterKey;

/// A consenter is asked once.
const CALL_TIMEOUT: Duration = Duration::from_secs(3);

/// Refuses an update of the configuration after which those that are reached are no majority.
///
/// # Errors
/// The answer for whoever submitted it, with who is not reached.
pub async fn check(channel: &Channel, envelope: &Bytes) -> Result<(), Answer> {
    let (bundle, now_ms) = (channel.chain.bundle(), channel.clocks.now_ms());
    // One that is refused is told so by whoever makes the block.
    let Ok(next) = next_config(&bundle, envelope, now_ms) else { return Ok(()) };
    let next = next.into_bundle();
    let (before, after) = (bundle.config(), next.config());
    let is_same = before.orderer.consenters == after.orderer.consenters;
    if is_same && !is_narrowed(before, after) {
        return Ok(());
    }
    // Without consensus nothing is ordered here.
    let Some(standing) = channel.backend.standing() else { return Ok(()) };
    let own = channel.chain.consenter().and_then(|number| before.orderer.consenters.get(number as usize));
    let logs = logs(channel, &standing, own, &after.orderer.consenters).await;
    let seen = Seen { before, after, voters: &standing.voters, logs: &logs };
    let verdict = if is_same { seen.last_change_is_through() } else { seen.judge() };
    verdict.map_err(|text| (Status::BadRequest, text))
}

/// Whether an organisation, or a CA of its TLS certificates, is believed no more after an update: whoever leaves may need it.
fn is_narrowed(before: &ChannelConfig, after: &ChannelConfig) -> bool {
    let cas = |config: &ChannelConfig| -> BTreeSet<Bytes> {
        config.organizations.iter().flat_map(|org| org.msp.tls_ca_certs().cloned()).collect()
    };
    !cas(before).is_subset(&cas(after))
}

/// The logs of those that answer, of whoever is asked or may count.
async fn logs(
    channel: &Channel,
    standing: &Standing,
    own: Option<&Consenter>,
    after: &[Consenter],
) -> BTreeMap<ConsenterKey, u64> {
    let known: BTreeSet<ConsenterKey> =
        channel.consenters.others().into_iter().chain(channel.consenters.leaving()).collect();
    let request = || ConsensusRequest::Standing { channel: channel.chain.channel().clone() };
    let asked = known.iter().map(|key| async move {
        let answer = channel.consenters.call(*key, request(), CALL_TIMEOUT).await;
        log_of(answer.ok()).map(|log| (*key, log))
    });
    let is_new = |it: &&Consenter| !known.contains(&it.tls_spki) && own != Some(*it);
    let probed = after.iter().filter(is_new).map(|consenter| async move {
        let answer = channel.consenters.probe(consenter, request(), CALL_TIMEOUT).await;
        log_of(answer.ok()).map(|log| (consenter.tls_spki, log))
    });
    let (asked, probed) = tokio::join!(join_all(asked), join_all(probed));
    let mut logs: BTreeMap<_, _> = asked.into_iter().chain(probed).flatten().collect();
    // This node, whether it is named or leaves.
    let voter = standing.voters.iter().find(|(log, _)| *log == standing.instance);
    logs.extend(voter.map(|(log, owner)| (*owner, *log)));
    logs.extend(own.map(|own| (own.tls_spki, standing.instance)));
    logs
}

fn log_of(answer: Option<ConsensusReply>) -> Option<u64> {
    match answer {
        Some(ConsensusReply::Standing(standing)) => Some(standing.instance),
        _ => None,
    }
}

/// What is known where an update is judged.
struct Seen<'a> {
    before: &'a ChannelConfig,
    after: &'a ChannelConfig,
    /// The logs that vote, and whose they are.
    voters: &'a [(u64, ConsenterKey)],
    /// The logs of the consenters that are reached.
    logs: &'a BTreeMap<ConsenterKey, u64>,
}

impl Seen<'_> {
    fn judge(&self) -> Result<(), String> {
        self.last_change_is_through()?;
        self.signatures()?;
        self.votes()
    }

    /// The logs that vote are one change behind the configuration at most, so that nobody is forgotten on the way. What was
    /// changed can be taken back at any time.
    fn last_change_is_through(&self) -> Result<(), String> {
        let owners: BTreeSet<ConsenterKey> = self.voters.iter().map(|(_, owner)| *owner).collect();
        let [before, after] = [self.before, self.after].map(keys);
        if owners == before || owners == after {
            return Ok(());
        }
        let come = named(self.before, |it| !owners.contains(&it.tls_spki));
        let awaited = if come.is_empty() {
            "whoever it took away votes still".to_owned()
        } else {
            format!("this consenter does not vote yet: {come}")
        };
        Err(format!(
            "the last change of consenters is not through, {awaited}. Wait until it is ('voters' in /healthz), or take it back \
             by an update to the consenters of before"
        ))
    }

    /// The block of the update is signed by the consenters before it, and those behind it by the new ones.
    fn signatures(&self) -> Result<(), String> {
        let is_reached = |it: &&Consenter| self.logs.contains_key(&it.tls_spki);
        let before = &self.before.orderer.consenters;
        let (reached, needed) = (before.iter().filter(is_reached).count(), majority(before.len()));
        if reached < needed {
            return Err(format!(
                "{needed} of {} consenters have to sign the block of this update, and {reached} are reached. Not reached: {}",
                before.len(),
                named(self.before, |it| !self.logs.contains_key(&it.tls_spki)),
            ));
        }
        let consenters = &self.after.orderer.consenters;
        let (reached, needed) = (consenters.iter().filter(is_reached).count(), majority(consenters.len()));
        if reached >= needed {
            return Ok(());
        }
        let is_renewed = |it: &Consenter| {
            let is_same = |other: &Consenter| other.identity_cert == it.identity_cert;
            !self.logs.contains_key(&it.tls_spki) && !before.contains(it) && before.iter().any(is_same)
        };
        let advice = if consenters.iter().any(is_renewed) {
            "A TLS certificate that is renewed with the key that it has needs no update; to change the key of one of so few, \
             bring another consenter first"
        } else {
            "Start a new consenter with 'orderer start --join' before the update"
        };
        Err(format!(
            "after this update {needed} of {} consenters would have to sign each block, and {reached} are reached: the channel \
             would end with it. Not reached: {}. {advice}",
            consenters.len(),
            named(self.after, |it| !self.logs.contains_key(&it.tls_spki)),
        ))
    }

    /// The logs that vote now decide who votes next, and whoever the update takes away may be switched off after it.
    fn votes(&self) -> Result<(), String> {
        let (needed, after) = (majority(self.voters.len()), keys(self.after));
        let has_log = |(log, owner): &&(u64, ConsenterKey)| self.logs.get(owner) == Some(log);
        let staying = || self.voters.iter().filter(|(_, owner)| after.contains(owner));
        let reached = if staying().count() >= needed {
            staying().filter(has_log).count()
        } else {
            // With so few, whoever leaves votes once more.
            let stays_member = |(_, owner): &&(u64, ConsenterKey)| self.stays_member(owner);
            self.voters.iter().filter(stays_member).filter(has_log).count()
        };
        if reached >= needed {
            return Ok(());
        }
        let has_none = |it: &Consenter| {
            let mut own = self.voters.iter().filter(|(_, owner)| *owner == it.tls_spki);
            !own.any(|voter| has_log(&voter))
        };
        Err(format!(
            "{needed} of the {} logs that vote now have to agree to those that vote after this update, and only {reached} of \
             those that stay are reached: the channel would end with it. Not reached, without its log, or on its way out: {}. \
             Bring them back first; an organisation stays until its consenter has left",
            self.voters.len(),
            named(self.before, |it| has_none(it) || !after.contains(&it.tls_spki)),
        ))
    }

    /// Whether the organisation of a consenter is a member after the update: nobody else is spoken to.
    fn stays_member(&self, owner: &ConsenterKey) -> bool {
        let configurations = [self.before, self.after];
        let mut known = configurations.iter().flat_map(|it| &it.orderer.consenters);
        let consenter = known.find(|it| it.tls_spki == *owner);
        consenter.is_some_and(|it| self.after.organizations.iter().any(|org| org.msp.msp_id == it.msp_id))
    }
}

fn keys(config: &ChannelConfig) -> BTreeSet<ConsenterKey> {
    config.orderer.consenters.iter().map(|it| it.tls_spki).collect()
}

/// Names and endpoints of some of a configuration's consenters.
fn named(config: &ChannelConfig, is_one: impl Fn(&Consenter) -> bool) -> String {
    let some = config.orderer.consenters.iter().filter(|it| is_one(it));
    some.map(|it| format!("{} at {}", it.msp_id, it.endpoint)).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
