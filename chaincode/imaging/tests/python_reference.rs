//! The reference itself, run: Python ImageHash 4.3.2 on Pillow 13.0.0 over several hundred generated images.
//!
//! The images have every mode, sizes from 1 x 1 to 1024 x 1024, flat parts that tie at the median, and JPEG of
//! every subsampling. Python's packages and the images, which do not vary, are kept in the cache folder after the
//! first run; the reference hashes are computed in every run.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

mod shared;

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{self, Command};

use imaging::{DecodeLimits, PerceptualHash, decode, wavelet_hash};
use sha2::{Digest, Sha256};

const PACKAGES: [&str; 2] = ["ImageHash==4.3.2", "Pillow==13.0.0"];

#[test]
fn hashes_are_those_of_python_imagehash() {
    let Some(tools) = shared::folder("tools") else { return };
    let Some(python) = python() else {
        println!("SKIPPED: python3 is not here");
        return;
    };
    let generator = tools.join("gen_images.py");
    let version: String =
        Sha256::digest(fs::read(&generator).unwrap())[..8].iter().map(|it| format!("{it:02x}")).collect();
    let folder = cached(&format!("whash-images-{version}"), |aside| {
        output(Command::new(&python).arg(&generator).arg(aside));
    });
    let files = files(&folder);
    let printed = output(Command::new(&python).arg(tools.join("whash_oracle.py")).args(&files));
    assert_eq!(printed.lines().count(), files.len());
    let (mut compared, mut clipped) = (BTreeMap::<_, u32>::new(), 0);
    for line in printed.lines() {
        let [path, mode, hash] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let expected: PerceptualHash = hash.parse().unwrap_or_else(|error| panic!("{line}: {error}"));
        let image = decode(&fs::read(path).unwrap(), &DecodeLimits::default())
            .unwrap_or_else(|error| panic!("{line}: {error}"));
        let distance = wavelet_hash(&image).distance(expected);
        if mode == "I;16" {
            // Stated deviation: the reference clips 16-bit grey at 255, this crate keeps the upper 8 bits.
            clipped += u32::from(distance > 0);
            continue;
        }
        let is_png = path.ends_with(".png");
        assert!(distance <= if is_png { 0 } else { 2 }, "{line}: differs in {distance} bits");
        *compared.entry((if is_png { "PNG" } else { "JPEG" }, distance)).or_default() += 1;
    }
    println!("files by format and differing bits: {compared:?}; 16-bit grey files that deviate: {clipped}");
    assert!(compared.get(&("PNG", 0)) > Some(&100) && compared.get(&("JPEG", 0)) > Some(&200));
    assert!(clipped > 0, "the stated deviation shows");
}

/// PNG and JPEG files of a folder in order, without the largest size, which adds time and no case.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "png" || extension == "jpg"))
        .filter(|path| !path.to_string_lossy().contains("1500x900"))
        .collect();
    files.sort();
    files
}

/// A Python that has the packages; none where the machine has no Python.
fn python() -> Option<PathBuf> {
    if !Command::new("python3").arg("--version").output().is_ok_and(|version| version.status.success()) {
        return None;
    }
    let python = |folder: &Path| folder.join("bin/python");
    let folder = cached(&format!("python-{}", PACKAGES.join("-").replace("==", "-")), |aside| {
        output(Command::new("python3").args(["-m", "venv"]).arg(aside));
        output(Command::new(python(aside)).args(["-m", "pip", "install", "--quiet"]).args(PACKAGES));
    });
    Some(python(&folder))
}

/// A folder of the cache, which `make` fills when it is not there.
///
/// It is made aside and renamed, so that a run that was stopped half-way leaves nothing that looks ready.
fn cached(name: &str, make: impl FnOnce(&Path)) -> PathBuf {
    let cache = env::var_os("CONSILIUM_CACHE").map_or_else(
        || {
            PathBuf::from(env::var_os("HOME").expect("HOME or CONSILIUM_CACHE is set"))
                .join(".cache/consilium")
        },
        PathBuf::from,
    );
    let place = cache.join(name);
    if !place.exists() {
        fs::create_dir_all(&cache).unwrap();
        let aside = cache.join(format!("{name}.in-the-making-{}", process::id()));
        make(&aside);
        if fs::rename(&aside, &place).is_err() {
            assert!(place.exists(), "another run made {}", place.display());
            fs::remove_dir_all(&aside).unwrap();
        }
    }
    place
}

/// Runs a command that must succeed and returns what it prints.
fn output(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{:?} failed: {errors}", command.get_program());
    String::from_utf8(output.stdout).unwrap()
}
