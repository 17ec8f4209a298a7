//! A peer whose program has one chaincode more, which does what a flawed one may do.
//!
//! All else is the released peer: this is how a hospital adds chaincode of its own.

use std::hint;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use shim::{Chaincode, ChaincodeError, Stub};

fn main() -> ExitCode {
    let mut chaincodes = peer::chaincodes();
    chaincodes.push(Arc::new(Misbehaving));
    peer::run(chaincodes)
}

/// Does what its function's name says, and `Put` and `Get` as they should be.
struct Misbehaving;

/// More bytes than any limit allows.
const MANY: usize = 100 << 20;

impl Chaincode for Misbehaving {
    fn name(&self) -> &'static str {
        "misbehaving"
    }

    fn version(&self) -> &'static str {
        "1.0"
    }

    fn invoke(&self, stub: &mut dyn Stub) -> Result<Bytes, ChaincodeError> {
        let key = match stub.args().first() {
            Some(arg) => String::from_utf8_lossy(arg).into_owned(),
            None => "key".to_owned(),
        };
        match stub.function() {
            "Put" => stub.put_state(&key, Bytes::from_static(b"value"))?,
            "Get" => return Ok(stub.state(&key)?.unwrap_or_default()),
            "Loop" => loop {
                hint::spin_loop();
            },
            "Wait" => loop {
                std::thread::park();
            },
            "LoopOverTheStub" => loop {
                // It never takes no for an answer, and is slow enough to meet its deadline before its budget.
                let _ = stub.state(&key);
                std::thread::sleep(Duration::from_millis(1));
            },
            "Panic" => {
                let secret = stub.transient("secret").unwrap_or_default();
                panic!("on purpose, with {}", String::from_utf8_lossy(secret));
            }
            "FloodOfWrites" => {
                (0_u64..).try_for_each(|number| stub.put_state(&format!("{key}-{number}"), Bytes::new()))?;
                return Ok(Bytes::new());
            }
            "FloodOfWritesAllTheSame" => {
                for number in 0..1_000_000 {
                    let _ = stub.put_state(&format!("{key}-{number}"), Bytes::new());
                }
                return Ok(Bytes::from_static(b"done"));
            }
            "FloodOfBytes" => loop {
                stub.put_state(&key, Bytes::from(vec![7; 1 << 20]))?;
            },
            "FloodOfReads" => loop {
                stub.range("", "", usize::MAX)?;
            },
            "LargeValue" => stub.put_state(&key, Bytes::from(vec![7; MANY]))?,
            "LargeEvent" => stub.set_event("Large", Bytes::from(vec![7; MANY]))?,
            "LargeResult" => return Ok(Bytes::from(vec![7; MANY])),
            "MutateWhileIterating" => return mutate_while_iterating(stub),
            other => return Err(ChaincodeError::malformed(format!("there is no function {other:?}"))),
        }
        Ok(Bytes::new())
    }
}

/// Deletes what it iterates over and adds as much; returns what it saw before and after.
fn mutate_while_iterating(stub: &mut dyn Stub) -> Result<Bytes, ChaincodeError> {
    let found = stub.range("item-", "item-~", 1_000)?;
    for (key, value) in &found {
        stub.delete_state(key)?;
        stub.put_state(&format!("{key}0"), value.clone())?;
    }
    let again = stub.range("item-", "item-~", 1_000)?;
    Ok(Bytes::from(format!("{} {}", found.len(), again.len())))
}
