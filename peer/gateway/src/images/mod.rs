//! Images are decoded in processes of their own: [`ImageWorkers`] here, [`run_image_worker`] there.
//!
//! Decoders are the one place where bytes that a stranger shaped meet code of many lines. So they run in a process that
//! holds no key, no descriptor but two pipes, no environment and no network; its kernel refuses it every other call; its
//! memory and processor time are limited; and it sees one image in its life, so that nothing of a patient's image is there
//! when the next one comes. Processes are started in advance: no upload waits for a start.
//!
//! What a worker says is believed in form only: it is two short fields, read with limits. A worker that was taken over
//! can still lie about its own image, as its sender could have by sending another one.

mod confinement;
mod error;
mod messages;
mod process;
mod reader;
mod worker;
mod workers;

pub use confinement::{ADDRESS_SPACE_BYTES_MAX, CPU_SECONDS_MAX};
pub use error::ImageError;
pub use process::WorkerCommand;
pub use reader::{ImageReader, ReadImage};
pub use worker::{Look, decode_and_hash, run_image_worker};
pub use workers::{ImageWorkers, WorkerCounts, WorkerLimits};
