//! What a chaincode sees of the world, and the record of what it read and wrote.
//!
//! A chaincode is a [`Chaincode`]: a synchronous function over a [`Stub`]. [`Simulation`] is the stub that peers use: it
//! reads from a [`StateReader`], keeps writes apart and gives the read-write set at the end. As in Fabric, a chaincode
//! does not see its own writes: `state` answers with what is committed.
//!
//! This crate never looks at a clock, a file or the network. Whatever a chaincode needs from outside is in its
//! [`Invocation`] before it starts.

mod chaincode;
mod composite_key;
mod invocation;
mod simulation;
mod state;

pub use chaincode::{Chaincode, ChaincodeError, StatePage, Stub, StubError};
pub use composite_key::{create_composite_key, split_composite_key};
pub use invocation::{Creator, Examination, Invocation};
pub use simulation::{Deadline, NoDeadline, RunOver, Simulation, SimulationLimits, SimulationResult};
pub use state::{KeyModification, StateFault, StateReader};
