//! Images are decoded in processes of their own: [`ImageWorkers`] here, [`run_image_worker`] there.
//!
//! Decoders are the one place where bytes that a stranger shaped meet code of many lines. So they run in a process that
//! holds no key, no descriptor but two pipes, no environment and no network; its kernel refuses it every other call; its
//! memory and processor time are limited; and it sees one image in its life, so that nothing of a patient's image is there
//! when the next one comes. Processes are started in advance: no upload waits for a start.
//!
//! What a worker says is believed in form only: numbers and members of closed sets, read with limits, and the peer's own words
//! made of them. A worker that was taken over can still lie about its own image: this peer then endorses a hash that is not
//! the image's. Peers that decode it in a flawless worker find another hash, and the channel's policy counts their
//! endorsements; where every endorser has the same flaw, the lie stands until the report is verified with a mended release.

mod confinement;
mod error;
mod messages;
mod process;
mod reader;
mod refusal;
mod spares;
mod worker;
mod workers;

pub use confinement::{ADDRESS_SPACE_BYTES_MAX, CPU_SECONDS_MAX};
pub use error::ImageError;
pub use process::WorkerCommand;
pub use reader::{ImageReader, ReadImage};
pub use worker::{Look, decode_and_hash, run_image_worker};
pub use workers::{ImageWorkers, WorkerCounts, WorkerLimits};
