//! The targets by name.

mod channel;
mod clients;
mod content;
mod identities;
mod messages;
mod texts;

/// A decoder under test.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, and that of its folder of seeds.
    pub name: &'static str,
    /// Decodes, checks what must hold, and returns whether the input was accepted.
    pub run: fn(&[u8]) -> bool,
}

/// Every target.
pub const TARGETS: [Target; 19] = [
    Target { name: "block", run: channel::block },
    Target { name: "certificate", run: identities::certificate },
    Target { name: "configuration", run: channel::configuration },
    Target { name: "consortium", run: texts::consortium },
    Target { name: "constructor", run: texts::constructor },
    Target { name: "cryptogen", run: texts::cryptogen },
    Target { name: "dag", run: content::dag },
    Target { name: "envelope", run: clients::envelope },
    Target { name: "identity", run: identities::identity },
    Target { name: "identity_record", run: channel::identity_record },
    Target { name: "image", run: content::image },
    Target { name: "message", run: messages::message },
    Target { name: "msp_folder", run: identities::msp_folder },
    Target { name: "policy", run: texts::policy },
    Target { name: "proposal", run: clients::proposal },
    Target { name: "records", run: messages::records },
    Target { name: "rwset", run: channel::rwset },
    Target { name: "seek", run: clients::seek },
    Target { name: "signature", run: identities::signature },
];

/// The target of that name.
#[must_use]
pub fn named(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}
