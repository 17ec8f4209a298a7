//! Brings the lists of a configuration into the order in which they must stand.

use protocol::ChannelConfig;

/// The same configuration with every list sorted that must be sorted, for somebody who writes one.
///
/// Lists with an order of their own (consenters, checkers) stay as they are; nothing is removed, so a name that stands
/// twice is still refused by [`ConfigBundle::new`](crate::ConfigBundle::new).
#[must_use]
pub fn in_canonical_order(mut config: ChannelConfig) -> ChannelConfig {
    config.capabilities.sort();
    config.organizations.sort_by(|a, b| a.msp.msp_id.cmp(&b.msp.msp_id));
    for organization in &mut config.organizations {
        organization.peers.sort();
    }
    config.chaincodes.sort_by(|a, b| a.name.cmp(&b.name));
    if let Some(reports) = &mut config.reports {
        reports.custodians.sort();
        reports.holders.sort();
        reports.admission.sort_by(|a, b| a.modality.cmp(&b.modality));
        for admission in &mut reports.admission {
            admission.references.sort_by(|a, b| a.id.cmp(&b.id));
        }
    }
    config.first_identities.sort_by(|a, b| (&a.msp_id, a.poi).cmp(&(&b.msp_id, b.poi)));
    for identity in &mut config.first_identities {
        identity.roles.sort_unstable();
        identity.tls_spki.sort_unstable();
    }
    config
}
