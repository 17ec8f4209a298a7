//! Resident memory of every node since its last start, against the number of transactions.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Result};
use scenarios::Process;

/// What was seen of each node, by name.
#[derive(Default)]
pub(super) struct Memory(Mutex<BTreeMap<String, Life>>);

/// From its last start on.
#[derive(Clone, Debug)]
struct Life {
    process: Process,
    /// Transactions of the whole network, and kilobytes.
    samples: Vec<(usize, u64)>,
}

/// How a node's memory went in the second half of its life.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Growth {
    /// Kilobytes a thousand transactions, by least squares.
    pub(super) kb_a_thousand: f64,
    transactions: usize,
    last_kb: u64,
    most_kb: u64,
}

impl fmt::Display for Growth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:+.0} KB a thousand transactions over its last {} transactions; {} KB at the end, {} KB at most",
            self.kb_a_thousand, self.transactions, self.last_kb, self.most_kb
        )
    }
}

impl Memory {
    /// A node's new process: what was seen of the one before is dropped.
    pub(super) fn started(&self, name: &str, process: u32) {
        let life = Life { process: Process(process), samples: Vec::new() };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), life);
    }

    /// Looks at every node; one that was just killed has nothing to show.
    pub(super) fn sample(&self, transactions: usize) {
        for life in self.0.lock().unwrap_or_else(PoisonError::into_inner).values_mut() {
            let resident = life.process.status("VmRSS");
            if let Some(kilobytes) = resident.ok().as_deref().and_then(kilobytes) {
                life.samples.push((transactions, kilobytes));
            }
        }
    }

    /// The most that a node took in its last life, kilobytes; zero where it was never seen.
    pub(super) fn most_kb(&self, name: &str) -> u64 {
        let lives = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let samples = lives.get(name).into_iter().flat_map(|life| &life.samples);
        samples.map(|(_, kilobytes)| *kilobytes).max().unwrap_or_default()
    }

    /// Growth in the second half of a node's last life.
    ///
    /// # Errors
    /// Where too little was seen of it.
    pub(super) fn growth(&self, name: &str) -> Result<Growth> {
        let lives = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut samples = lives.get(name).with_context(|| format!("{name} is unknown"))?.samples.clone();
        drop(lives);
        samples.sort_unstable();
        growth(&samples).with_context(|| format!("{name} was seen {} times only", samples.len()))
    }
}

fn kilobytes(resident: &str) -> Option<u64> {
    resident.strip_suffix("kB")?.trim().parse().ok()
}

fn growth(samples: &[(usize, u64)]) -> Option<Growth> {
    let half = &samples[samples.len() / 2..];
    let ((first, _), (last, last_kb)) = (half.first()?, half.last()?);
    Some(Growth {
        kb_a_thousand: slope(half)?,
        transactions: last - first,
        last_kb: *last_kb,
        most_kb: samples.iter().map(|(_, kilobytes)| *kilobytes).max()?,
    })
}

/// The slope of the line with the least squares; `None` where all samples stand at one place.
fn slope(samples: &[(usize, u64)]) -> Option<f64> {
    let points: Vec<(f64, f64)> =
        samples.iter().map(|(count, kilobytes)| (*count as f64 / 1000.0, *kilobytes as f64)).collect();
    let count = points.len() as f64;
    let (mean_x, mean_y) = (
        points.iter().map(|(x, _)| x).sum::<f64>() / count,
        points.iter().map(|(_, y)| y).sum::<f64>() / count,
    );
    let squares: f64 = points.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
    let products: f64 = points.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
    (squares > 0.0).then(|| products / squares)
}

#[test]
fn growth_is_the_slope_of_the_second_half() {
    let rows: [(&str, &[(usize, u64)], Option<f64>); 4] = [
        ("a cache that fills, then nothing", &[(0, 0), (100, 9_000), (200, 9_000), (300, 9_000)], Some(0.0)),
        (
            "ten bytes a transaction",
            &[(0, 5), (100, 7), (1_000, 100), (3_000, 120), (5_000, 140)],
            Some(10.0),
        ),
        ("memory that is given back", &[(0, 50), (500, 40), (1_000, 30), (2_000, 10)], Some(-20.0)),
        ("one sample", &[(100, 50)], None),
    ];
    for (case, samples, expected) in rows {
        let found = growth(samples).map(|growth| growth.kb_a_thousand);
        let is_equal = match (found, expected) {
            (Some(found), Some(expected)) => (found - expected).abs() < 1e-9,
            (found, expected) => found == expected,
        };
        assert!(is_equal, "{case}: {found:?}");
    }
}
