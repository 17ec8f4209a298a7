//! What people write: policies, templates, arguments of the command line.

use policy::{CompiledPolicy, Policy};

use crate::sources::{cli::constructor, consortium as consortium_file, organization, template, units};

/// The text of a policy.
pub fn policy(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let Ok(policy) = Policy::parse(text) else { return false };
    let printed = policy.to_string();
    let again = Policy::parse(&printed);
    // The canonical text may be longer than the one that was read, up to the limit on texts.
    if printed.len() <= policy::SignaturePolicy::TEXT_BYTES_MAX {
        assert_eq!(again.as_ref(), Ok(&policy), "a policy reads back from its canonical text");
    }
    let Policy::Signature(signature) = &policy else { return true };
    let Ok(compiled) = CompiledPolicy::from_signature("/fuzz", signature) else { return true };
    assert!(!compiled.evaluate(&[]).satisfied, "nobody satisfies no policy");
    let named = compiled.principals();
    for way in compiled.minimal_sets(8) {
        assert!(!way.is_empty() && way.is_subset(&named), "a way to satisfy a policy names its principals");
    }
    true
}

/// `consortium.yaml`, with its sizes and times.
pub fn consortium(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let Ok(consortium) = consortium_file::parse(text) else { return false };
    for profile in consortium.profiles.values() {
        let orderer = &profile.orderer;
        let _ = units::bytes(&orderer.batch_size.absolute_max_bytes);
        let _ = units::bytes(&orderer.batch_size.preferred_max_bytes);
        let _ = units::milliseconds(&orderer.batch_timeout);
        for text in profile.policies.values() {
            let _ = Policy::parse(text);
        }
    }
    true
}

/// The template of `cryptogen`, and what is to be made of it.
pub fn cryptogen(bytes: &[u8]) -> bool {
    /// Beyond this a template only costs time, which its own limit of nodes bounds.
    const NODES_MAX: u32 = 200;
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let Ok(template) = template::parse(text) else { return false };
    let orgs = template.orderer_orgs.iter().chain(&template.peer_orgs).flatten();
    if orgs.into_iter().any(|org| org.template.count.max(org.users.count) > NODES_MAX) {
        return false;
    }
    let Ok(organizations) = organization::organizations(&template) else { return false };
    for organization in organizations {
        let nodes = organization.nodes.iter().map(|node| &node.common_name);
        let names = nodes.chain(organization.users.iter().map(|user| &user.common_name));
        for name in names.chain([&organization.domain, &organization.ca_name]) {
            let is_plain = |c: char| c.is_ascii_alphanumeric() || ".-_@".contains(c);
            let climbs = name.is_empty() || name.starts_with('.') || name.contains("..");
            assert!(!climbs && name.chars().all(is_plain), "{name:?} becomes a file's name");
        }
    }
    true
}

/// The JSON of `-c` and of `--transient`.
pub fn constructor(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let transient = constructor::transient(text);
    match constructor::call(text) {
        Ok(call) => {
            assert!(!call.is_empty(), "a call names a function");
            true
        }
        Err(message) => {
            assert!(message.contains("-c"), "a refusal names the flag");
            transient.is_ok()
        }
    }
}
