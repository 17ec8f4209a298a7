//! The capabilities that a build knows: the release that brought each, and what it governs.
//!
//! A capability is named in the channel's configuration, so all members switch it on together, in one block. From the
//! block behind it on the formats and rules that it governs are in force; before it none of them is written or believed,
//! whatever release a node runs. A node that meets a name that it does not know stops that channel before that block. The
//! name carries the release that brings it (`V1_4`: release 1.4), since nobody can tell an old build in another way.
//!
//! Which capabilities a build knows is said by its `main`, once, and handed down: nothing here is global.

use std::fmt;

use protocol::{Capability, ChannelConfig};

/// A capability that some build knows.
#[derive(Debug, PartialEq, Eq)]
pub struct KnownCapability {
    /// Its name in configurations.
    pub name: &'static str,
    /// The release that brought it.
    pub release: &'static str,
    /// The formats and rules that it puts in force.
    pub governs: &'static str,
}

/// What every channel has.
pub const V1_0: KnownCapability = KnownCapability {
    name: "V1_0",
    release: "1.0",
    governs: "version 1 of every format, version 1.0 of the rules of identities",
};

/// Release 1.1.
pub const V1_1: KnownCapability = KnownCapability {
    name: "V1_1",
    release: "1.1",
    governs: "version 1.1 of the rules of identities: a renewal's proof is good for the record as it stands \
              (`renew identity v2`), and a certificate bars a key that was never registered; an update is refused whose \
              checkers of uploads cannot meet the endorsement policy; consenters change by an update",
};

/// Of no release: the build that tests upgrade to knows it, and no other.
pub const V9_9: KnownCapability = KnownCapability {
    name: "V9_9",
    release: "9.9",
    governs: "version 2 of block headers, which count the envelopes of their block",
};

/// The capabilities that a build knows, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities(&'static [KnownCapability]);

impl Capabilities {
    /// Those that this release writes and reads.
    pub const RELEASED: Self = Self(&[V1_0, V1_1]);

    /// Those and the one that tests switch on.
    pub const TESTED: Self = Self(&[V1_0, V1_1, V9_9]);

    /// Each of them.
    pub fn iter(self) -> impl Iterator<Item = &'static KnownCapability> {
        self.0.iter()
    }

    /// The names, as a configuration lists them.
    #[must_use]
    pub fn names(self) -> Vec<Capability> {
        self.iter().map(|known| Capability(known.name.to_owned())).collect()
    }

    /// Whether a configuration may name it.
    #[must_use]
    pub fn knows(self, capability: &Capability) -> bool {
        self.iter().any(|known| known.name == capability.0)
    }

    /// The first of these that is not known, with the release that brings it.
    #[must_use]
    pub fn lacks<'a>(self, named: impl IntoIterator<Item = &'a Capability>) -> Option<NeededRelease> {
        named.into_iter().find(|capability| !self.knows(capability)).map(NeededRelease::of)
    }
}

/// Whether the channel's configuration names a capability.
#[must_use]
pub fn has(config: &ChannelConfig, capability: &KnownCapability) -> bool {
    config.capabilities.iter().any(|named| named.0 == capability.name)
}

/// A capability that a build does not know, and the release that does. `Display` says what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NeededRelease {
    /// The capability's name, without control characters, shortened.
    pub capability: String,
    /// The release; `None` where the name tells none.
    pub release: Option<String>,
}

/// Characters of a name that are told.
const NAME_CHARS_MAX: usize = 64;

impl NeededRelease {
    /// What a capability's name tells: `V1_4` of release 1.4.
    #[must_use]
    pub fn of(capability: &Capability) -> Self {
        let numbers: Option<Vec<&str>> = capability.0.strip_prefix('V').map(|rest| rest.split('_').collect());
        let is_number =
            |text: &&str| (1..=4).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        let release =
            numbers.filter(|parts| parts.len() >= 2 && parts.len() <= 3 && parts.iter().all(is_number));
        let shown = capability.0.chars().filter(|c| !c.is_control()).take(NAME_CHARS_MAX).collect();
        Self { capability: shown, release: release.map(|parts| parts.join(".")) }
    }
}

impl fmt::Display for NeededRelease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { capability, release } = self;
        write!(f, "capability {capability}, which this release does not know; install ")?;
        match release {
            Some(release) => write!(f, "release {release} or newer")?,
            None => write!(f, "a release that knows {capability}")?,
        }
        f.write_str(" on this node and start it again: it goes on where it stopped")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_its_release_or_itself() {
        let rows = [
            ("V1_4", Some("1.4")),
            ("V2_0_1", Some("2.0.1")),
            ("V1", None),
            ("V", None),
            ("", None),
            ("V1_", None),
            ("V1_x", None),
            ("V1_2_3_4", None),
            ("V12345_0", None),
            ("v1_4", None),
            ("BlindSignatures", None),
            ("V1_4\n", None),
        ];
        for (name, release) in rows {
            let needed = NeededRelease::of(&Capability(name.to_owned()));
            assert_eq!(needed.release.as_deref(), release, "{name:?}");
            let shown = needed.to_string();
            assert!(!shown.contains('\n') && shown.contains(name.trim()), "{shown:?}");
            assert_eq!(shown.contains("a release that knows"), release.is_none(), "{shown}");
        }
        let long = NeededRelease::of(&Capability("x".repeat(10_000)));
        assert!(long.to_string().len() < 400, "{long}");
    }

    #[test]
    fn every_known_capability_names_the_release_that_brought_it() {
        for known in Capabilities::TESTED.iter() {
            let told = NeededRelease::of(&Capability(known.name.to_owned())).release;
            assert_eq!(told.as_deref(), Some(known.release), "{}", known.name);
            assert!(!known.governs.is_empty());
        }
        let names = Capabilities::TESTED.names();
        assert!(names.is_sorted(), "a configuration lists them sorted: {names:?}");
        assert_eq!(Capabilities::RELEASED.lacks(&names).map(|needed| needed.capability), Some("V9_9".into()));
        assert_eq!(Capabilities::TESTED.lacks(&names), None);
    }
}
