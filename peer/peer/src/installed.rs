//! Which chaincodes a peer runs: those that its program names, and the system chaincode, which every channel has.

use std::collections::BTreeSet;
use std::sync::Arc;

use asset_transfer::AssetTransfer;
use configtx::Capabilities;
use identities::Identities;
use protocol::ChaincodeName;
use reports::Reports;
use shim::Chaincode;
use thiserror::Error;

/// Names under which a peer answers by itself: a chaincode of such a name would never be called.
const SYSTEM_NAMES: [&str; 2] = ["cscc", "qscc"];

/// Why a program's list of chaincodes cannot be run.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ListFault {
    /// No channel could name it.
    #[error("chaincode {name:?} of this program has no usable name: {cause}")]
    Name {
        /// What it calls itself.
        name: &'static str,
        /// The rule that it breaks.
        cause: String,
    },
    /// The peer itself has the name.
    #[error(
        "chaincode {name:?} of this program has a name that belongs to the peer itself; give it another one"
    )]
    Reserved {
        /// The name.
        name: &'static str,
    },
    /// Two of the list have one name, and one of them would never be called.
    #[error(
        "this program has two chaincodes named {name:?}; take one out of the list that its main gives to peer::run"
    )]
    Twice {
        /// The name.
        name: &'static str,
    },
}

/// What a program adds to the peer that all programs are.
pub struct Program {
    /// Its chaincodes, without the system chaincode.
    pub chaincodes: Vec<Arc<dyn Chaincode>>,
    /// The capabilities of channels that it knows.
    pub known: Capabilities,
}

/// The chaincodes of this release: reports, and the sample of the field.
#[must_use]
pub fn chaincodes() -> Vec<Arc<dyn Chaincode>> {
    vec![Arc::new(Reports), Arc::new(AssetTransfer)]
}

/// A program's chaincodes with the system chaincode before them.
///
/// # Errors
/// [`ListFault`] for a list of which a chaincode could not be called.
pub fn with_system_chaincode(
    of_program: Vec<Arc<dyn Chaincode>>,
) -> Result<Vec<Arc<dyn Chaincode>>, ListFault> {
    let mut names = BTreeSet::from([Identities.name()]);
    for chaincode in &of_program {
        let name = chaincode.name();
        if name == Identities.name() || SYSTEM_NAMES.contains(&name) {
            return Err(ListFault::Reserved { name });
        }
        ChaincodeName::new(name).map_err(|error| ListFault::Name { name, cause: error.to_string() })?;
        if !names.insert(name) {
            return Err(ListFault::Twice { name });
        }
    }
    let system: Arc<dyn Chaincode> = Arc::new(Identities);
    Ok(std::iter::once(system).chain(of_program).collect())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use shim::{ChaincodeError, Stub};

    use super::*;

    struct Named(&'static str);

    impl Chaincode for Named {
        fn name(&self) -> &'static str {
            self.0
        }

        fn version(&self) -> &'static str {
            "1.0"
        }

        fn invoke(&self, _: &mut dyn Stub) -> Result<Bytes, ChaincodeError> {
            Ok(Bytes::new())
        }
    }

    #[test]
    fn a_list_is_taken_where_each_of_its_chaincodes_can_be_called() {
        let rows: [(&[&'static str], &str); 8] = [
            // names of the program's own beside those of the release, the refusal
            (&[], ""),
            (&["consents", "beds"], ""),
            (&["consents", "consents"], "two chaincodes named \"consents\""),
            (&["reports"], "two chaincodes named \"reports\""),
            (&["_identity"], "\"_identity\" of this program has a name that belongs to the peer"),
            (&["qscc"], "belongs to the peer itself"),
            (&[""], "no usable name"),
            (&["two words"], "no usable name"),
        ];
        for (names, refusal) in rows {
            let mut list = chaincodes();
            list.extend(names.iter().map(|name| Arc::new(Named(name)) as Arc<dyn Chaincode>));
            let taken = with_system_chaincode(list);
            let told = taken.as_ref().err().map(ToString::to_string).unwrap_or_default();
            assert_eq!(told.is_empty(), refusal.is_empty(), "{names:?}: {told}");
            assert!(told.contains(refusal), "{names:?}: {told}");
            if let Ok(taken) = taken {
                let found: Vec<&str> = taken.iter().map(|chaincode| chaincode.name()).collect();
                assert_eq!(found, [&["_identity", "reports", "asset-transfer"], names].concat());
            }
        }
    }
}
