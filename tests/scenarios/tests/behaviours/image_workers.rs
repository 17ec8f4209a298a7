//! A hostile image costs the process that decodes it, and nobody else: the next image, and the one beside it, are read.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use gateway::{
    ADDRESS_SPACE_BYTES_MAX, ImageError, ImageReader as _, ImageWorkers, WorkerCommand, WorkerLimits,
};
use imaging::DecodeLimits;
use scenarios::{BombIn, Image, Process, Stage, children, png_claiming, png_with_bomb, upload};
use testnet::{Hospital, Network, NetworkOptions};

/// Long enough for a busy machine, short enough for a test of what never ends.
const DEADLINE: Duration = Duration::from_secs(5);

/// An argument by which a test finds its workers among those of others.
const KILLED: &str = "killed-from-outside";

fn command(program: impl Into<std::path::PathBuf>, arguments: &[&str]) -> WorkerCommand {
    let arguments = arguments.iter().map(Into::into).collect();
    WorkerCommand { program: program.into(), name: "image worker of a test".into(), arguments }
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

#[test]
fn whatever_a_decoder_is_brought_to_do_costs_one_worker_and_no_other_image() -> Result<()> {
    let program = env!("CARGO_BIN_EXE_misbehaving_image_worker");
    let limits = WorkerLimits { deadline: DEADLINE, ..WorkerLimits::default() };
    let file = Image::rings(300, 200, 3).png();
    let decoding = DecodeLimits::default();
    runtime()?.block_on(async {
        let workers = ImageWorkers::start(command(program, &[]), limits).await?;
        let good = workers.read(&file, &decoding).await?;
        let forbidden = "a system call that it may not make";
        for (deed, words, is_passing) in [
            ("loop", "took over 5000 ms", true),
            ("allocate 4 GiB", "more memory or stack", false),
            ("recurse", "more memory or stack", false),
            ("panic", "exit code 101", false),
            ("end", "exit code 0", false),
            ("answer garbage", "an answer that is none", false),
            ("answer without end", "an answer that is none", false),
            ("answer another format", "an answer that is none", false),
            ("listen", forbidden, false),
            ("connect", forbidden, false),
            ("read a file", forbidden, false),
            ("write a file", forbidden, false),
            ("start a program", forbidden, false),
            ("start a thread", forbidden, false),
            ("sleep", forbidden, false),
            ("wait for another thread", forbidden, false),
        ] {
            let bad = format!("do: {deed}");
            let (bad, beside) =
                tokio::join!(workers.read(bad.as_bytes(), &decoding), workers.read(&file, &decoding));
            let error = bad.expect_err(deed);
            println!("{deed}: {error}");
            ensure!(error.to_string().contains(words), "{deed}: {error}");
            ensure!(error.is_passing() == is_passing, "{deed}: {error}");
            ensure!(beside? == good, "{deed}: the image beside it");
            ensure!(workers.read(&file, &decoding).await? == good, "{deed}: the image after it");
        }
        let counts = workers.counts();
        println!("{counts:?}");
        ensure!((counts.deadline_exceeded, counts.garbage, counts.ended) == (1, 3, 12), "{counts:?}");
        ensure!(counts.failed == 0, "{counts:?}");
        ensure!((counts.running, counts.waiting) == (0, 0), "{counts:?}");
        Ok(())
    })
}

#[test]
fn bombs_are_answered_by_the_peers_own_worker_while_others_are_read() -> Result<()> {
    let program = testnet::binary("peer")?;
    let file = Image::rings(300, 200, 3).png();
    let gib = 1 << 30;
    runtime()?.block_on(async {
        let workers =
            ImageWorkers::start(command(program, &["image-worker"]), WorkerLimits::default()).await?;
        let decoding = DecodeLimits::default();
        let good = workers.read(&file, &decoding).await?;
        for (name, bomb) in [
            ("20,000 x 20,000 claimed", png_claiming(20_000, 20_000)),
            ("10,000 x 10,000 claimed", png_claiming(10_000, 10_000)),
            ("a GiB of pixels", png_with_bomb(BombIn::Pixels, gib)),
            ("a GiB of colour profile", png_with_bomb(BombIn::ColourProfile, gib)),
            ("a GiB of text", png_with_bomb(BombIn::Text, gib)),
        ] {
            let (bad, beside) = tokio::join!(workers.read(&bomb, &decoding), workers.read(&file, &decoding));
            println!("{name}: {} bytes: {bad:?}", bomb.len());
            ensure!(matches!(bad, Ok(_) | Err(ImageError::Refused { .. })), "{name}: {bad:?}");
            ensure!(beside? == good, "{name}: the image beside it");
        }
        ensure!(workers.counts().ended == 0, "{:?}", workers.counts());
        Ok(())
    })
}

#[test]
fn images_beyond_the_line_are_turned_away_and_those_in_line_are_read() -> Result<()> {
    let program = testnet::binary("peer")?;
    let limits = WorkerLimits { at_once_max: 1, waiting_max: 2, spares: 1, ..WorkerLimits::default() };
    let file = Image::rings(300, 200, 3).png();
    runtime()?.block_on(async {
        let workers = Arc::new(ImageWorkers::start(command(program, &["image-worker"]), limits).await?);
        let asked: Vec<_> = (0..5)
            .map(|_| {
                let (workers, file) = (Arc::clone(&workers), file.clone());
                tokio::spawn(async move { workers.read(&file, &DecodeLimits::default()).await })
            })
            .collect();
        let (mut read, mut busy) = (0, 0);
        for answer in asked {
            match answer.await? {
                Ok(_) => read += 1,
                Err(ImageError::Busy { waiting: 2 }) => busy += 1,
                Err(other) => bail!("{other}"),
            }
        }
        ensure!((read, busy) == (3, 2), "{read} read, {busy} turned away");
        ensure!(workers.counts().busy == 2, "{:?}", workers.counts());
        Ok(())
    })
}

#[test]
fn an_image_whose_turn_does_not_come_is_turned_away() -> Result<()> {
    let program = env!("CARGO_BIN_EXE_misbehaving_image_worker");
    let (deadline, turn_deadline) = (DEADLINE, Duration::from_millis(200));
    let limits = WorkerLimits { at_once_max: 1, deadline, turn_deadline, ..WorkerLimits::default() };
    let decoding = DecodeLimits::default();
    runtime()?.block_on(async {
        let workers = ImageWorkers::start(command(program, &[]), limits).await?;
        let (stuck, waiting) =
            tokio::join!(workers.read(b"do: loop", &decoding), workers.read(b"do: end", &decoding));
        ensure!(matches!(stuck, Err(ImageError::DeadlineExceeded { .. })), "{stuck:?}");
        ensure!(waiting == Err(ImageError::NoTurn { waited_ms: 200 }), "{waiting:?}");
        let counts = workers.counts();
        ensure!((counts.busy, counts.waiting, counts.running) == (1, 0, 0), "{counts:?}");
        Ok(())
    })
}

#[test]
fn a_worker_that_is_killed_from_outside_is_no_fault_of_its_image() -> Result<()> {
    let program = env!("CARGO_BIN_EXE_misbehaving_image_worker");
    let decoding = DecodeLimits::default();
    let limits = WorkerLimits { spares: 0, ..WorkerLimits::default() };
    runtime()?.block_on(async {
        let workers = ImageWorkers::start(command(program, &[KILLED]), limits).await?;
        // Not INT, HUP or QUIT: who starts the tests in the background may have them ignored, and workers inherit that.
        for signal in ["-KILL", "-TERM", "-USR1"] {
            let killing = async {
                let busy = tokio::task::spawn_blocking(busy_child);
                let busy = busy.await??.0.to_string();
                let killed = std::process::Command::new("kill").args([signal, &busy]).status()?;
                ensure!(killed.success(), "worker {busy} is signalled");
                Ok(())
            };
            let (ended, killed) = tokio::join!(workers.read(b"do: loop", &decoding), killing);
            killed?;
            let error = ended.err().with_context(|| format!("{signal}: it was read"))?;
            ensure!(matches!(error, ImageError::Fault { .. }) && error.is_passing(), "{signal}: {error}");
        }
        ensure!((workers.counts().failed, workers.counts().ended) == (3, 0), "{:?}", workers.counts());
        Ok(())
    })
}

/// The worker that was told so, once it has computed for so long that it was asked.
fn busy_child() -> Result<Process> {
    let mut busy = None;
    Network::wait_until("a worker at work", Duration::from_secs(20), || {
        for child in children(std::process::id())? {
            if child.arguments()? == [KILLED] && child.ticks()? > 20 {
                busy = Some(child);
            }
        }
        busy.map(drop).context("none")
    })?;
    busy.context("none")
}

#[test]
fn a_program_that_is_no_worker_does_not_start() -> Result<()> {
    runtime()?.block_on(async {
        for (program, words) in [("/bin/true", "exit code 0"), ("/bin/absent", "could be started")] {
            let started = ImageWorkers::start(command(program, &[]), WorkerLimits::default()).await;
            let error = started.err().with_context(|| format!("{program} started"))?.to_string();
            ensure!(error.contains(words), "{program}: {error}");
        }
        Ok(())
    })
}

#[test]
fn a_peers_workers_hold_no_rights_and_end_with_it() -> Result<()> {
    let mut network = Stage::start(NetworkOptions { orderers: 1, ..NetworkOptions::default() })?;
    let peer = network.peer_process(Hospital::A)?.id();
    let workers = waiting_workers(peer)?;
    for worker in &workers {
        has_no_rights(*worker)?;
    }
    let files = tempfile::tempdir()?;
    let image = files.path().join("image.png");
    Image::rings(200, 160, 7).write(&image)?;
    for worker in &workers {
        // Whoever ends the waiting workers takes no upload with them.
        let killed = std::process::Command::new("kill").args(["-KILL", &worker.0.to_string()]).status()?;
        ensure!(killed.success(), "worker {worker:?} is signalled");
    }
    upload(&network.doctor(Hospital::A), &image, "patient-1")?;
    let workers = waiting_workers(peer)?;
    network.peer_process(Hospital::A)?.kill()?;
    Network::wait_until("the workers end with their peer", Duration::from_secs(10), || {
        let alive: Vec<_> = workers.iter().filter(|worker| worker.lives()).collect();
        ensure!(alive.is_empty(), "{alive:?} live");
        Ok(())
    })
}

/// The workers of a peer that wait for an image, confined.
fn waiting_workers(peer: u32) -> Result<Vec<Process>> {
    let mut workers = Vec::new();
    Network::wait_until("two confined workers", Duration::from_secs(20), || {
        workers = children(peer)?;
        ensure!(workers.len() == WorkerLimits::default().spares, "{workers:?}");
        for worker in &workers {
            ensure!(worker.status("Seccomp")? == "2", "{worker:?} is not confined yet");
        }
        Ok(())
    })?;
    Ok(workers)
}

fn has_no_rights(worker: Process) -> Result<()> {
    ensure!(worker.out_of_memory_score()? == 1_000, "{worker:?} does not end first where memory is short");
    let none = "0000000000000000";
    for (field, value) in [
        ("Seccomp", "2"),
        ("NoNewPrivs", "1"),
        ("Threads", "1"),
        ("CapEff", none),
        ("CapPrm", none),
        ("CapInh", none),
    ] {
        ensure!(worker.status(field)? == value, "{worker:?} has {field} {}", worker.status(field)?);
    }
    let address_space = ADDRESS_SPACE_BYTES_MAX.to_string();
    for (name, value) in [
        ("Max address space", address_space.as_str()),
        ("Max cpu time", "20"),
        ("Max core file size", "0"),
        ("Max file size", "0"),
        ("Max open files", "3"),
        ("Max processes", "0"),
    ] {
        ensure!(worker.limit(name)? == value, "{worker:?} has {name} {}", worker.limit(name)?);
    }
    // Hidden is as good as empty: a process that may not be dumped shows both to the administrator alone.
    let environment = worker.environment()?.unwrap_or_default();
    ensure!(environment.is_empty(), "{worker:?} has {} bytes of environment", environment.len());
    let descriptors = worker.descriptors()?.unwrap_or_else(|| vec![0, 1, 2]);
    ensure!(descriptors == [0, 1, 2], "{worker:?} has descriptors {descriptors:?}");
    Ok(())
}
