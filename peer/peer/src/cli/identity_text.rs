//! Identities as people read them.

use client::{ShownIdentity, Submitted};
use protocol::{IdentityStatus, Role};
use serde_json::json;

use super::output::Done;

/// The result of a change.
pub fn changed(done: &str, record: &ShownIdentity, submitted: &Submitted) -> Done {
    let text = format!(
        "identity {} of {} ({}) is {done} as of block {}",
        record.poi,
        record.msp_id,
        roles(&record.roles),
        submitted.block_number
    );
    let json = json!({
        "tx_id": submitted.tx_id.as_str(),
        "code": submitted.code.name(),
        "block_number": submitted.block_number.0,
        "identity": record,
    });
    Done::new(text, json)
}

/// One record.
pub fn shown(record: &ShownIdentity) -> String {
    let blocks: Vec<String> = record.changed_at.iter().map(u64::to_string).collect();
    let keys =
        if record.tls_spki.is_empty() { "none".to_owned() } else { record.tls_spki.join("\n          ") };
    format!(
        "PoI       {}\nMSP       {}\nroles     {}\nstatus    {}\nTLS keys  {keys}\nchanged   in block {}\n{}",
        record.poi,
        record.msp_id,
        roles(&record.roles),
        status(record.status),
        blocks.join(", "),
        record.certificate.trim_end()
    )
}

/// One line an identity.
pub fn list(records: &[ShownIdentity]) -> String {
    let line = |record: &ShownIdentity| {
        format!("{}  {:<7}  {}", record.poi, status(record.status), roles(&record.roles))
    };
    records.iter().map(line).collect::<Vec<_>>().join("\n")
}

const fn status(status: IdentityStatus) -> &'static str {
    match status {
        IdentityStatus::Active => "active",
        IdentityStatus::Revoked => "revoked",
    }
}

/// The roles but `member`, which everybody has.
fn roles(roles: &[Role]) -> String {
    let own: Vec<&str> =
        roles.iter().filter(|role| **role != Role::Member).map(|role| role.as_str()).collect();
    if own.is_empty() { Role::Member.as_str().to_owned() } else { own.join(", ") }
}

#[cfg(test)]
mod tests {
    use protocol::MspId;

    use super::*;

    #[test]
    fn a_record_is_shown_with_everything_that_concerns_its_right_to_act() {
        let record = |own: &[Role], status, keys: &[&str]| ShownIdentity {
            msp_id: MspId::new("HospitalAMSP").unwrap(),
            poi: "ab".repeat(32),
            roles: [&[Role::Member], own].concat(),
            status,
            tls_spki: keys.iter().map(|key| (*key).to_owned()).collect(),
            changed_at: vec![3, 9],
            certificate: "-----BEGIN CERTIFICATE-----\n".to_owned(),
        };
        let text = shown(&record(&[Role::Client], IdentityStatus::Revoked, &["01", "02"]));
        for part in ["MSP       HospitalAMSP", "client", "revoked", "01\n          02", "in block 3, 9"] {
            assert!(text.contains(part), "{part} in {text}");
        }
        let records =
            [record(&[Role::Admin], IdentityStatus::Active, &[]), record(&[], IdentityStatus::Revoked, &[])];
        let poi = "ab".repeat(32);
        assert_eq!(list(&records), format!("{poi}  active   admin\n{poi}  revoked  member"));
        assert!(shown(&records[0]).contains("TLS keys  none"));
    }
}
