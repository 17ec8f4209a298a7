//! What people and programs get wrong: each is refused with its exit code and words that help, and nothing changes.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use scenarios::{Image, Stage, png_claiming, upload, wait_for_same_heights};
use testnet::{Hospital, Network, NetworkOptions, User};

const REJECTED: i32 = 1;
const FAULT: i32 = 2;
const USAGE: i32 = 64;

/// Who runs which command, and what they are told.
struct Row {
    what: &'static str,
    user: User,
    args: Vec<String>,
    code: i32,
    words: Vec<&'static str>,
}

#[test]
fn every_bad_input_is_refused_with_its_reason_and_changes_nothing() -> Result<()> {
    let network = Stage::start(NetworkOptions::default())?;
    let files = tempfile::tempdir()?;
    let picture = Image::rings(160, 120, 5);
    let good = files.path().join("good.png");
    picture.write(&good)?;
    let (id, _) = upload(&network.doctor(Hospital::A), &good, "patient-1")?;
    one_pixel_is_an_image(&network, files.path())?;
    let before = wait_for_same_heights(&network, Duration::from_secs(30))?;

    let mut rows = files_that_are_no_reports(&network, files.path(), &picture)?;
    rows.extend(names_that_do_not_exist(&network, &good, &id));
    rows.extend(people_who_may_not(&network, &good)?);
    rows.extend(places_that_cannot_be_written(&network, files.path(), &id));
    let mut wrong = Vec::new();
    for row in rows {
        let args: Vec<&str> = row.args.iter().map(String::as_str).collect();
        let output = row.user.peer(&args)?;
        println!("{}: exit code {}: {}", row.what, output.code, output.stderr.trim());
        let missing: Vec<_> = row.words.iter().filter(|words| !output.stderr.contains(**words)).collect();
        if output.code != row.code || !missing.is_empty() {
            wrong.push(format!("{}: {} expected; not said: {missing:?}; {output:?}", row.what, row.code));
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    let after = wait_for_same_heights(&network, Duration::from_secs(30))?;
    ensure!(after == before, "the ledger went from {before:?} to {after:?}");
    Ok(())
}

/// A poor one: it is hashed and compared like any other, and this channel only warns.
fn one_pixel_is_an_image(network: &Network, folder: &Path) -> Result<()> {
    let path = folder.join("pixel.png");
    Image::rings(1, 1, 1).write(&path)?;
    let output = network
        .doctor(Hospital::A)
        .peer(&["report", "upload", &path.display().to_string(), "--patient", "p", "--modality", "CR"])?
        .expect_code(0)?;
    ensure!(output.stdout.contains("warning"), "{output:?}");
    Ok(())
}

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

fn upload_args(file: &Path) -> Vec<String> {
    let mut args = words("report upload");
    args.push(file.display().to_string());
    args.extend(words("--patient patient-1 --modality CR"));
    args
}

fn files_that_are_no_reports(network: &Network, folder: &Path, picture: &Image) -> Result<Vec<Row>> {
    let png = picture.png();
    // What it is, the file's bytes (none: no file), exit code, words.
    type FileRow = (&'static str, Option<Vec<u8>>, i32, Vec<&'static str>);
    let rows: Vec<FileRow> = vec![
        ("text named .png", Some(b"Dear colleague, ...".to_vec()), FAULT, vec!["those of a text"]),
        ("an empty file", Some(Vec::new()), FAULT, vec!["empty (0 bytes)"]),
        ("half a PNG", Some(png[..png.len() / 2].to_vec()), REJECTED, vec!["ends before its IEND chunk"]),
        (
            "a PNG that claims 20,000 x 20,000",
            Some(png_claiming(20_000, 20_000)),
            REJECTED,
            vec!["20000 x 20000"],
        ),
        ("a PNG that claims 0 x 9", Some(png_claiming(0, 9)), REJECTED, vec!["claims 0 x 9 px"]),
        ("a missing file", None, FAULT, vec!["absent.png", "No such file"]),
    ];
    let mut made = Vec::new();
    for (number, (what, bytes, code, words)) in rows.into_iter().enumerate() {
        let path = match bytes {
            Some(bytes) => {
                let path = folder.join(format!("bad-{number}.png"));
                std::fs::write(&path, bytes)?;
                path
            }
            None => folder.join("absent.png"),
        };
        made.push(Row { what, user: network.doctor(Hospital::A), args: upload_args(&path), code, words });
    }
    Ok(made)
}

fn names_that_do_not_exist(network: &Network, good: &Path, id: &str) -> Vec<Row> {
    let doctor = network.doctor(Hospital::A);
    let unknown = "0".repeat(64);
    let query = |chaincode: &str| {
        let mut args = words("chaincode query -C reports -n");
        args.extend([chaincode.to_owned(), "-c".to_owned(), r#"{"Args":["GetAllAssets"]}"#.to_owned()]);
        args
    };
    let row = |what, args, code, words| Row { what, user: network.doctor(Hospital::A), args, code, words };
    vec![
        row(
            "an unknown report",
            vec!["report".into(), "show".into(), unknown],
            REJECTED,
            vec!["there is no report"],
        ),
        row("a word for a report id", words("report show X-ray"), USAGE, vec!["8 to 64"]),
        row(
            "an abbreviated id of no report",
            words("report show 00000000"),
            USAGE,
            vec!["begins with 00000000"],
        ),
        Row {
            what: "another channel",
            user: doctor.clone().on_channel("elsewhere"),
            args: upload_args(good),
            code: REJECTED,
            words: vec!["elsewhere"],
        },
        row("an unknown chaincode", query("ghost"), REJECTED, vec!["ghost"]),
        row("an unknown function", query("reports"), REJECTED, vec!["GetAllAssets"]),
        row(
            "a share with nobody",
            words(&format!("report share {id} --with NobodyMSP")),
            REJECTED,
            vec!["NobodyMSP"],
        ),
        row(
            "a share with oneself",
            words(&format!("report share {id} --with HospitalAMSP")),
            REJECTED,
            vec!["owns"],
        ),
        Row {
            what: "a share by somebody else",
            user: network.doctor(Hospital::B),
            args: words(&format!("report share {id} --with HospitalCMSP")),
            code: REJECTED,
            words: vec!["belongs to HospitalAMSP"],
        },
    ]
}

fn people_who_may_not(network: &Network, good: &Path) -> Result<Vec<Row>> {
    let doctor = network.doctor(Hospital::A);
    let stranger = network.stranger(Hospital::A)?;
    let other = network.doctor(Hospital::B);
    let list = || words("report list");
    Ok(vec![
        Row {
            what: "a stranger's TLS certificate",
            user: doctor.clone().connecting_as(&stranger),
            args: list(),
            code: FAULT,
            words: vec!["certificate"],
        },
        Row {
            what: "a signing certificate of an unknown CA",
            user: doctor.clone().signing_as(&stranger),
            args: list(),
            code: REJECTED,
            words: vec!["HospitalAMSP"],
        },
        Row {
            what: "an upload signed by a stranger",
            user: doctor.clone().signing_as(&stranger),
            args: upload_args(good),
            code: REJECTED,
            words: vec!["HospitalAMSP"],
        },
        Row {
            what: "an upload under another hospital's TLS certificate",
            user: doctor.connecting_as(&other),
            args: upload_args(good),
            code: REJECTED,
            words: vec!["another organisation"],
        },
    ])
}

fn places_that_cannot_be_written(network: &Network, folder: &Path, id: &str) -> Vec<Row> {
    let taken = folder.join("good.png").display().to_string();
    let nowhere = folder.join("no/such/folder/out.png").display().to_string();
    let row = |what, out: &str, words: Vec<&'static str>| Row {
        what,
        user: network.doctor(Hospital::A),
        args: [&["report", "download", id, "--purpose", "test", "--out", out][..]]
            .concat()
            .iter()
            .map(|arg| (*arg).to_owned())
            .collect(),
        code: FAULT,
        words,
    };
    vec![
        row("a download over an existing file", &taken, vec!["exists already"]),
        row("a download into no folder", &nowhere, vec!["folder does not exist"]),
        // Nobody may make files there, whoever runs the test.
        row("a download into /proc", "/proc/out.png", vec!["/proc"]),
    ]
}
