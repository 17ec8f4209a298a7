//! Which roles a certificate has in its MSP.
//!
//! With NodeOUs: `Member` and the one role whose OU the certificate's subject carries; none or several are refused.
//! Without: `Member` alone. A certificate whose key is in `admincerts/` is an admin besides, and needs no OU.
//! Rules: Fabric's MSP (NodeOUs of 1.4.3 and later).

use protocol::{MspConfig, MspId, NodeOus, OuIdentifier, Poi, Role};

use crate::{
    certificate::Certificate,
    chain::{Ca, CaTree, OriginOf},
    error::MspError,
    rejection::IdentityRejection,
};

/// The role rules of one MSP.
#[derive(Clone, Debug)]
pub(crate) struct RoleRules {
    /// `None` without NodeOUs.
    units: Option<Vec<RoleUnit>>,
    /// PoIs of `admincerts/`.
    admins: Vec<Poi>,
}

#[derive(Clone, Debug)]
struct RoleUnit {
    role: Role,
    organizational_unit: String,
    /// PoI of the CA that must be in the chain.
    certifier: Option<Poi>,
}

impl RoleRules {
    pub(crate) fn new(config: &MspConfig, cas: &CaTree, origin_of: &OriginOf<'_>) -> Result<Self, MspError> {
        let mut admins = Vec::with_capacity(config.admin_certs.len());
        for (at, der) in config.admin_certs.iter().enumerate() {
            let certificate = Certificate::parse(der).map_err(|reason| MspError::Certificate {
                msp_id: config.msp_id.clone(),
                origin: origin_of("admincerts", at),
                reason,
            })?;
            admins.push(certificate.poi);
        }
        let units = match &config.node_ous {
            Some(node_ous) => Some(units(&config.msp_id, node_ous, cas)?),
            None => None,
        };
        Ok(Self { units, admins })
    }

    /// The roles, sorted.
    pub(crate) fn roles_of(
        &self,
        msp_id: &MspId,
        certificate: &Certificate,
        issuer: &Ca,
    ) -> Result<Vec<Role>, IdentityRejection> {
        let mut roles = vec![Role::Member];
        let is_listed_admin = self.admins.contains(&certificate.poi);
        if is_listed_admin {
            roles.push(Role::Admin);
        }
        if let Some(units) = &self.units {
            let carries = |unit: &&RoleUnit| {
                certificate.organizational_units.contains(&unit.organizational_unit)
                    && unit.certifier.is_none_or(|certifier| issuer.path.contains(&certifier))
            };
            let matched: Vec<Role> = units.iter().filter(carries).map(|unit| unit.role).collect();
            if matched.len() > 1 || (matched.is_empty() && !is_listed_admin) {
                return Err(IdentityRejection::WrongOu {
                    msp_id: msp_id.clone(),
                    subject: certificate.subject_text.clone(),
                    matched: matched.len(),
                    found: certificate.organizational_units.clone(),
                    expected: units.iter().map(|unit| unit.organizational_unit.clone()).collect(),
                });
            }
            roles.extend(matched);
        }
        roles.sort_unstable();
        roles.dedup();
        Ok(roles)
    }
}

fn units(msp_id: &MspId, node_ous: &NodeOus, cas: &CaTree) -> Result<Vec<RoleUnit>, MspError> {
    let rows = [
        (Role::Client, &node_ous.client),
        (Role::Peer, &node_ous.peer),
        (Role::Admin, &node_ous.admin),
        (Role::Orderer, &node_ous.orderer),
    ];
    let mut units: Vec<RoleUnit> = Vec::new();
    for (role, identifier) in rows {
        let Some(identifier) = identifier else { continue };
        if units.iter().any(|unit| unit.organizational_unit == identifier.organizational_unit) {
            let reason = format!(
                "the OU '{}' stands for two roles; give each role its own",
                identifier.organizational_unit
            );
            return Err(MspError::ConfigYaml { msp_id: msp_id.clone(), reason });
        }
        units.push(unit(msp_id, role, identifier, cas)?);
    }
    if units.is_empty() {
        let reason = "NodeOUs are enabled but name no OU; name client, peer, admin and orderer".to_owned();
        return Err(MspError::ConfigYaml { msp_id: msp_id.clone(), reason });
    }
    Ok(units)
}

fn unit(msp_id: &MspId, role: Role, identifier: &OuIdentifier, cas: &CaTree) -> Result<RoleUnit, MspError> {
    let certifier = match &identifier.certificate {
        None => None,
        Some(der) => {
            let poi = Certificate::parse(der).ok().map(|certificate| certificate.poi);
            let known = poi.filter(|poi| cas.contains(*poi));
            Some(known.ok_or_else(|| MspError::UnknownCertifier { msp_id: msp_id.clone(), role })?)
        }
    };
    Ok(RoleUnit { role, organizational_unit: identifier.organizational_unit.clone(), certifier })
}
