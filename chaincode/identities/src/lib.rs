//! The system chaincode of the namespace `_identity`: who of an organisation may act on the channel.
//!
//! `RegisterIdentity`, `RenewIdentity` and `RevokeIdentity` change a record; the rules stand in `validation`, which applies
//! them again to what was ordered. `ReadIdentity` and `ListIdentities` answer anybody who may call at all. Every channel has
//! this chaincode, no configuration names it, and one peer of the creator's organisation endorses it.

mod listing;
mod record;

use bytes::Bytes;
use configtx::IdentityRules;
use msp::Msp;
use protocol::{IdentityRecord, MspId, Poi};
use shim::{Chaincode, ChaincodeError, Stub};
use validation::{IdentityActor, IdentityChange, IdentityRefusal, identity_entry};

pub use listing::{IDENTITIES_LISTED_MAX, IdentityPage};
pub use record::ShownIdentity;

#[cfg(test)]
mod tests;

/// The chaincode's name and namespace.
pub const NAME: &str = IdentityRecord::NAMESPACE;
/// Reads one record: two arguments, MSP id and PoI in hex.
pub const READ_IDENTITY: &str = "ReadIdentity";
/// Lists an organisation's records: MSP id, and the PoI after which to go on where there are more.
pub const LIST_IDENTITIES: &str = "ListIdentities";

/// The chaincode.
#[derive(Clone, Copy, Debug, Default)]
pub struct Identities;

impl Chaincode for Identities {
    fn name(&self) -> &'static str {
        NAME
    }

    fn version(&self) -> &'static str {
        // The newest: it follows the older rules as well, wherever the channel asks for them.
        IdentityRules::V1_1.version()
    }

    fn invoke(&self, stub: &mut dyn Stub) -> Result<Bytes, ChaincodeError> {
        let call = call(stub);
        if IdentityChange::is_named_by(&call) {
            return change(stub, &call);
        }
        let (function, args) = (stub.function().to_owned(), stub.args().to_vec());
        match (function.as_str(), args.as_slice()) {
            (READ_IDENTITY, [msp_id, poi]) => {
                let (msp_id, poi): (MspId, Poi) = (argument(msp_id)?, argument(poi)?);
                let record = record::read(stub, &msp_id, &poi)?
                    .ok_or_else(|| refused(&IdentityRefusal::Unknown { msp_id, poi }))?;
                Ok(record::json(&ShownIdentity::of(record)))
            }
            (LIST_IDENTITIES, [msp_id]) => listing::list(stub, &argument(msp_id)?, None),
            (LIST_IDENTITIES, [msp_id, after]) => {
                listing::list(stub, &argument(msp_id)?, Some(argument(after)?))
            }
            (function, args) => Err(ChaincodeError::malformed(format!(
                "no function {function:?} with {} arguments; the chaincode has RegisterIdentity(claim), \
                 RenewIdentity(claim), RevokeIdentity(MSP id, PoI), RevokeIdentity(MSP id, PoI, certificate), \
                 ReadIdentity(MSP id, PoI), ListIdentities(MSP id), ListIdentities(MSP id, after PoI)",
                args.len()
            ))),
        }
    }
}

/// Function name and arguments, as the rules read them from a transaction.
fn call(stub: &dyn Stub) -> Vec<Bytes> {
    let function = Bytes::copy_from_slice(stub.function().as_bytes());
    std::iter::once(function).chain(stub.args().iter().cloned()).collect()
}

fn change(stub: &mut dyn Stub, call: &[Bytes]) -> Result<Bytes, ChaincodeError> {
    let creator = stub.creator().clone();
    let organization = stub.organization().ok_or_else(|| {
        failed(format!(
            "the peer gave no configuration of {}; its operator finds more in its log",
            creator.msp_id
        ))
    })?;
    let msp = Msp::new(organization).map_err(|error| failed(error.to_string()))?;
    let actor = IdentityActor {
        channel: stub.channel(),
        msp: &msp,
        poi: creator.poi,
        roles: &creator.roles,
        at_ms: stub.timestamp_ms(),
        rules: IdentityRules::of_version(stub.version())
            .ok_or_else(|| failed(format!("this peer does not know version {} of {NAME}", stub.version())))?,
    };
    let change = IdentityChange::read(call, &actor).map_err(|refusal| refused(&refusal))?;
    let before = record::read(stub, &creator.msp_id, &creator.poi)?;
    let target = record::read(stub, &creator.msp_id, &change.target())?;
    let record = change.apply(before.as_ref(), target).map_err(|refusal| refused(&refusal))?;
    let (key, value) = identity_entry(&record);
    stub.put_state(&key, value)?;
    Ok(record::json(&ShownIdentity::of(record)))
}

fn argument<T: std::str::FromStr<Err: std::fmt::Display>>(bytes: &[u8]) -> Result<T, ChaincodeError> {
    let text = std::str::from_utf8(bytes).map_err(|_| ChaincodeError::malformed("an argument is no text"))?;
    text.parse().map_err(|error: T::Err| ChaincodeError::malformed(error.to_string()))
}

fn refused(refusal: &IdentityRefusal) -> ChaincodeError {
    ChaincodeError { status: refusal.status(), message: refusal.to_string() }
}

fn failed(message: String) -> ChaincodeError {
    ChaincodeError { status: 500, message }
}
