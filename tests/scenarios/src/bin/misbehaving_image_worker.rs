//! An image worker with a flawed decoder: what an image names, it does. Every other file it decodes like the peer's own.
//!
//! It is confined as the peer's is, by the same function; only what looks at the file is another.

use std::io::Write as _;
use std::process::ExitCode;

use gateway::{ReadImage, decode_and_hash, run_image_worker};
use imaging::{DecodeLimits, ImagingError, MediaType};

fn main() -> ExitCode {
    run_image_worker(look)
}

fn look(file: &[u8], limits: &DecodeLimits) -> Result<ReadImage, ImagingError> {
    let named = std::str::from_utf8(file).ok().and_then(|text| text.strip_prefix("do: "));
    let Some(deed) = named else { return decode_and_hash(file, limits) };
    let done = match deed {
        "loop" => loop {
            std::hint::spin_loop();
        },
        "allocate 4 GiB" => vec![1_u8; 4 << 30].iter().map(|byte| usize::from(*byte)).sum(),
        "recurse" => recurse(0),
        "panic" => panic!("{deed}"),
        "end" => std::process::exit(0),
        "answer garbage" => {
            let written = std::io::stdout().write_all(&[0xc1; 100]);
            usize::from(written.is_ok())
        }
        "answer without end" => loop {
            let written = std::io::stdout().write_all(&[0; 4_096]);
            if written.is_err() {
                break 0;
            }
        },
        "listen" => usize::from(std::net::TcpListener::bind("127.0.0.1:0").is_ok()),
        "connect" => usize::from(std::net::TcpStream::connect("127.0.0.1:9").is_ok()),
        "read a file" => std::fs::read("/proc/self/status").map_or(0, |bytes| bytes.len()),
        "write a file" => usize::from(std::fs::write("/dev/shm/image-worker", file).is_ok()),
        "start a program" => usize::from(std::process::Command::new("/bin/true").spawn().is_ok()),
        "start a thread" => {
            std::thread::Builder::new().spawn(|| 1).map_or(0, |thread| thread.join().unwrap_or(0))
        }
        "wait for another thread" => {
            std::thread::park();
            0
        }
        "sleep" => {
            std::thread::sleep(std::time::Duration::from_secs(3_600));
            0
        }
        "answer another format" => return Ok(ReadImage { media_type: MediaType::Png, perceptual_hash: 0 }),
        _ => 0,
    };
    // An answer that only a worker gives which was let do it; the file is no image.
    Err(ImagingError::UnsupportedMediaType { found: if done == 0 { "no deed" } else { "a deed" } })
}

/// Deeper than any stack.
fn recurse(depth: usize) -> usize {
    let frame = std::hint::black_box([depth; 64]);
    if depth == usize::MAX { 0 } else { recurse(depth + 1) + frame[depth % 64] }
}
