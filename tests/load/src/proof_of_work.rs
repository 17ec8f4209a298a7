//! What a block's proof of work costs beside making the block: the paper's Fig. 5, by report size and difficulty.
//!
//! Both times are those of the product's own functions in this process. *Creation* is the way of a report into a block:
//! decode the image, take its perceptual hash, seal it and address the sealed file, assemble the block that holds its
//! envelope. *Mining* is the search for the nonce. The envelope holds a record of the report and never the report, so
//! creation grows with the report and mining does not: it doubles with each bit of difficulty.

mod chart;

use std::convert::Infallible;
use std::fmt::Write as _;
use std::hint::black_box;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use clap::Args;
use imaging::{DecodeLimits, decode, wavelet_hash};
use ordering::{Assembly, Seal, assemble};
use protocol::{BlockHash, BlockHeader, BlockNumber, ChannelId, Digest, Proof};
use scenarios::Image;

use crate::percentiles::Percentiles;

/// The difficulty that a channel's configuration may ask for at most.
const BITS_MAX: u8 = 24;
/// The edge of the largest image, in pixels; a drawn image has a byte a pixel.
const EDGE_MAX: u32 = 4_096;
/// Bytes of an upload's envelope, with two endorsements and their certificates.
const ENVELOPE_BYTES: usize = 6_000;

/// Flags of `load proof-of-work`.
#[derive(Clone, Debug, Args)]
pub struct ProofOfWorkOptions {
    /// Leading zero bits that a block's hash must have, by comma.
    #[arg(long, value_delimiter = ',', default_values_t = [0, 8, 16, 20])]
    pub bits: Vec<u8>,
    /// Edges of the square images, in pixels, by comma; a report has about as many bytes as its image has pixels.
    #[arg(long, value_delimiter = ',', default_values_t = [256, 512, 1024, 2048, 4096])]
    pub edges: Vec<u32>,
    /// Blocks made for each report size and difficulty.
    #[arg(long, default_value_t = 20)]
    pub repeats: u32,
    /// Also draws the times into this SVG file.
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
}

/// One report size at one difficulty.
#[derive(Clone, Debug, PartialEq)]
struct Row {
    report_bytes: usize,
    difficulty_bits: u8,
    repeats: u32,
    creation_ms: f64,
    mining_ms: f64,
    mining: Percentiles,
    /// Nonces tried for a block, on average.
    nonces: f64,
}

/// Measures every size at every difficulty and prints the rows as CSV.
///
/// # Errors
/// Flags that cannot be measured; an image that is not decoded; a file that cannot be written.
pub fn run(options: &ProofOfWorkOptions) -> Result<()> {
    check(options)?;
    let mut rows = Vec::new();
    for edge in &options.edges {
        let report = Image::rings(*edge, *edge, 7).png();
        for bits in &options.bits {
            eprintln!("{edge} x {edge} pixels at {bits} bits");
            rows.push(measure(&report, *bits, options.repeats)?);
        }
    }
    print!("{}", csv(&rows));
    if let Some(path) = &options.svg {
        let drawn = chart::svg(&series(&rows));
        std::fs::write(path, drawn).with_context(|| format!("{} (--svg)", path.display()))?;
    }
    Ok(())
}

fn check(options: &ProofOfWorkOptions) -> Result<()> {
    ensure!(options.repeats > 0, "--repeats 0 measures nothing; give at least 1");
    let bits = options.bits.iter().find(|bits| **bits > BITS_MAX);
    ensure!(bits.is_none(), "--bits {}: a channel asks for at most {BITS_MAX}", bits.unwrap_or(&0));
    let edge = options.edges.iter().find(|edge| !(1..=EDGE_MAX).contains(*edge));
    ensure!(edge.is_none(), "--edges {}: give 1 to {EDGE_MAX} pixels", edge.unwrap_or(&0));
    Ok(())
}

fn measure(report: &[u8], difficulty_bits: u8, repeats: u32) -> Result<Row> {
    let mut previous = genesis()?;
    let (mut creation, mut mining, mut nonces) = (Duration::ZERO, Vec::new(), 0_u64);
    for number in 0..repeats {
        let began = Instant::now();
        let mut header = create(report, &previous, difficulty_bits, number)?;
        creation += began.elapsed();
        let began = Instant::now();
        let nonce = Seal::new(&header).find(0..u64::MAX).context("no nonce seals the block")?;
        mining.push(began.elapsed());
        header.proof.nonce = nonce;
        ensure!(header.is_sealed(), "block {} is not sealed", header.number);
        nonces += nonce + 1;
        previous = header;
    }
    let mean_ms = |sum: Duration| sum.as_secs_f64() * 1_000.0 / f64::from(repeats);
    Ok(Row {
        report_bytes: report.len(),
        difficulty_bits,
        repeats,
        creation_ms: mean_ms(creation),
        mining_ms: mean_ms(mining.iter().sum()),
        mining: Percentiles::of(mining),
        nonces: nonces as f64 / f64::from(repeats),
    })
}

/// From a report to the header of the block that records it, still without its nonce.
fn create(report: &[u8], previous: &BlockHeader, difficulty_bits: u8, number: u32) -> Result<BlockHeader> {
    let image = decode(report, &DecodeLimits::default()).context("the image is not decoded")?;
    black_box(wavelet_hash(&image));
    let forget = |_, block| {
        black_box::<Bytes>(block);
        Ok::<(), Infallible>(())
    };
    let sealed = ipfs::seal(report, forget)?;
    let mut envelope = vec![0; ENVELOPE_BYTES];
    let place = format!("{number} {:?}", sealed.cid);
    envelope.splice(..place.len(), place.bytes());
    let facts = Assembly {
        previous,
        version: BlockHeader::VERSION,
        last_config: BlockNumber(0),
        difficulty_bits,
        clocks_ms: &[previous.timestamp_ms + 1],
    };
    Ok(assemble(&facts, vec![envelope.into()]).header)
}

fn genesis() -> Result<BlockHeader> {
    Ok(BlockHeader {
        version: BlockHeader::VERSION,
        channel: ChannelId::new("reports")?,
        number: BlockNumber(0),
        previous_hash: BlockHash::ZERO,
        data_hash: Digest::ZERO,
        timestamp_ms: 0,
        last_config: BlockNumber(0),
        proof: Proof::default(),
        envelope_count: None,
    })
}

fn csv(rows: &[Row]) -> String {
    let mut text = String::from(
        "report_bytes,difficulty_bits,repeats,creation_ms,mining_ms,mining_p50_ms,mining_p95_ms,nonces\n",
    );
    for row in rows {
        // A string takes whatever is written to it.
        let _ = writeln!(
            text,
            "{},{},{},{:.4},{:.4},{:.4},{:.4},{:.0}",
            row.report_bytes,
            row.difficulty_bits,
            row.repeats,
            row.creation_ms,
            row.mining_ms,
            row.mining.p50_ms,
            row.mining.p95_ms,
            row.nonces
        );
    }
    text
}

/// Creation as one line, the mean over the difficulties, since it does not depend on them; mining as a line a difficulty.
fn series(rows: &[Row]) -> Vec<chart::Series> {
    let mut sizes: Vec<usize> = rows.iter().map(|row| row.report_bytes).collect();
    sizes.sort_unstable();
    sizes.dedup();
    let creation_ms = |size: &usize| {
        let of: Vec<f64> =
            rows.iter().filter(|row| row.report_bytes == *size).map(|row| row.creation_ms).collect();
        (*size as f64, of.iter().sum::<f64>() / of.len() as f64)
    };
    let mut all = vec![chart::Series {
        name: "block creation".to_owned(),
        points: sizes.iter().map(creation_ms).collect(),
    }];
    let mut bits: Vec<u8> = rows.iter().map(|row| row.difficulty_bits).collect();
    bits.sort_unstable();
    bits.dedup();
    all.extend(bits.into_iter().map(|bits| {
        let of = rows.iter().filter(|row| row.difficulty_bits == bits);
        let points = of.map(|row| (row.report_bytes as f64, row.mining_ms)).collect();
        chart::Series { name: format!("mining, {bits} bits"), points }
    }));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(report_bytes: usize, difficulty_bits: u8, creation_ms: f64, mining_ms: f64) -> Row {
        let mining = Percentiles::of(vec![Duration::from_millis(3)]);
        Row { report_bytes, difficulty_bits, repeats: 2, creation_ms, mining_ms, mining, nonces: 256.4 }
    }

    #[test]
    fn a_row_is_a_line_and_a_line_of_the_chart_is_a_difficulty() {
        let rows =
            [row(100, 0, 1.0, 0.5), row(100, 8, 3.0, 2.0), row(200, 0, 4.0, 0.5), row(200, 8, 4.0, 2.5)];
        assert_eq!(csv(&rows).lines().nth(2), Some("100,8,2,3.0000,2.0000,3.0000,3.0000,256"));
        let found = series(&rows);
        let names: Vec<&str> = found.iter().map(|series| series.name.as_str()).collect();
        assert_eq!(names, ["block creation", "mining, 0 bits", "mining, 8 bits"]);
        assert_eq!(found[0].points, [(100.0, 2.0), (200.0, 4.0)]);
        assert_eq!(found[2].points, [(100.0, 2.0), (200.0, 2.5)]);
    }

    #[test]
    fn a_block_of_a_report_is_made_and_sealed() {
        let report = Image::rings(64, 64, 7).png();
        let easy = measure(&report, 0, 2).expect("measured");
        assert_eq!((easy.nonces, easy.report_bytes), (1.0, report.len()), "the first nonce does");
        let hard = measure(&report, 8, 4).expect("measured");
        assert!(hard.nonces > 1.0 && hard.creation_ms > 0.0 && hard.mining_ms > 0.0, "{hard:?}");
    }

    #[test]
    fn what_cannot_be_measured_is_refused_with_its_flag() {
        let options = |bits, edge, repeats| ProofOfWorkOptions {
            bits: vec![bits],
            edges: vec![edge],
            repeats,
            svg: None,
        };
        let rows = [
            (options(24, 4_096, 1), None),
            (options(25, 256, 1), Some("--bits 25")),
            (options(0, 0, 1), Some("--edges 0")),
            (options(0, 4_097, 1), Some("--edges 4097")),
            (options(0, 256, 0), Some("--repeats 0")),
        ];
        for (options, refusal) in rows {
            let found = check(&options).map_err(|error| error.to_string());
            match refusal {
                None => assert_eq!(found, Ok(())),
                Some(text) => assert!(found.is_err_and(|found| found.starts_with(text)), "{text}"),
            }
        }
    }
}
