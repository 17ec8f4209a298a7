//! Any one hospital may be down: the other two upload, share and open.

use std::time::Duration;

use anyhow::{Result, ensure};
use scenarios::{Image, Stage, download, share, upload, wait_for_same_heights};
use testnet::{Hospital, NetworkOptions};

#[test]
fn two_hospitals_work_on_while_the_third_is_down() -> Result<()> {
    let mut network = Stage::start(NetworkOptions::default())?;
    let files = tempfile::tempdir()?;
    let rows = [
        // down, uploads, reads
        (Hospital::A, Hospital::B, Hospital::C),
        (Hospital::B, Hospital::C, Hospital::A),
        (Hospital::C, Hospital::A, Hospital::B),
    ];
    for (seed, (down, owner, reader)) in (1..).zip(rows) {
        network.peer_process(down)?.stop()?;
        network.orderer_process(down)?.stop()?;
        let image = files.path().join(format!("{}.png", owner.letter()));
        let picture = Image::rings(160, 120, seed);
        picture.write(&image)?;
        let (id, _) = upload(&network.doctor(owner), &image, "patient-1")?;
        share(&network.doctor(owner), &id, reader)?.expect_code(0)?;
        let out = files.path().join(format!("{}-opened.png", owner.letter()));
        download(&network.doctor(reader), &id, &out)?.expect_code(0)?;
        ensure!(std::fs::read(&out)? == picture.png());
        println!("hospital {down:?} is down: {owner:?} uploaded and shared, {reader:?} opened {id}");
        network.start_orderer(down)?;
        network.start_peer(down)?;
        wait_for_same_heights(&network, Duration::from_secs(30))?;
    }
    Ok(())
}
