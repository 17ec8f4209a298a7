//! What a run is made of: the network, the clients, the work, and for how long.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, ensure};
use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};
use testnet::Hospital;

/// Clients of one run: two gateways take 500 calls each.
const CLIENTS_MAX: usize = 900;

/// What the clients do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Workload {
    /// Writes a 256-byte value under a new key, without a read.
    Put,
    /// Half reads by Evaluate, half transfers of one of 10,000 assets: a read and a write.
    Mix,
    /// Transfers among 10 assets: most transactions meet another one and are invalid.
    Hot,
    /// Uploads an image, checked by two hospitals.
    Upload,
    /// Reads an existing key by Evaluate; no transaction.
    Evaluate,
    /// Puts as `put`, then lets an emptied peer join again, and measures how it catches up.
    CatchUp,
}

/// Who must endorse a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
pub enum PolicyKind {
    /// Hospital A and hospital B.
    #[serde(rename = "and")]
    And,
    /// Hospital A or hospital B.
    #[serde(rename = "or")]
    Or,
    /// Two of three hospitals; needs a network of three.
    #[serde(rename = "2-of-3")]
    #[value(name = "2-of-3")]
    TwoOfThree,
}

impl PolicyKind {
    /// The policy as the consortium's file states it.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::And => "AND('HospitalAMSP.peer', 'HospitalBMSP.peer')",
            Self::Or => "OR('HospitalAMSP.peer', 'HospitalBMSP.peer')",
            Self::TwoOfThree => "OutOf(2, 'HospitalAMSP.peer', 'HospitalBMSP.peer', 'HospitalCMSP.peer')",
        }
    }

    /// Endorsements of one transaction.
    #[must_use]
    pub const fn endorsements(self) -> u32 {
        match self {
            Self::Or => 1,
            Self::And | Self::TwoOfThree => 2,
        }
    }
}

/// Whose key type signs transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum KeyKind {
    /// ECDSA over P-256.
    P256,
    /// Ed25519.
    Ed25519,
}

impl KeyKind {
    /// Its name in templates of `cryptogen`.
    #[must_use]
    pub const fn algorithm(self) -> &'static str {
        match self {
            Self::P256 => "ecdsa",
            Self::Ed25519 => "ed25519",
        }
    }
}

/// How a result is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// Flags of `load run`.
#[derive(Clone, Debug, Args)]
pub struct RunOptions {
    /// Clients that each wait for their transaction's verdict before the next one.
    #[arg(long, default_value_t = 64)]
    pub clients: usize,
    /// Gateways that the clients are spread over: the peers of hospitals A, B, C in this order.
    #[arg(long, default_value_t = 2)]
    pub gateways: usize,
    /// Open loop: begins so many transactions a second, whatever becomes of those before; `--clients` bounds how many are
    /// under way, and one that finds no place is counted as missed.
    #[arg(long)]
    pub rate: Option<u32>,
    /// How long to measure, in seconds, after the warm-up.
    #[arg(long, default_value_t = 10)]
    pub seconds: u64,
    /// Ends after so many transactions instead, counted from the start.
    #[arg(long)]
    pub transactions: Option<usize>,
    /// What the clients do.
    #[arg(long, value_enum, default_value_t = Workload::Put)]
    pub workload: Workload,
    /// Who must endorse.
    #[arg(long, value_enum, default_value_t = PolicyKind::And)]
    pub policy: PolicyKind,
    /// Keys of users, peers and orderers.
    #[arg(long, value_enum, default_value_t = KeyKind::P256)]
    pub keys: KeyKind,
    /// Hospitals with a peer: 2 or 3.
    #[arg(long, default_value_t = 2)]
    pub hospitals: usize,
    /// Consenters: 1 to 3.
    #[arg(long, default_value_t = 1)]
    pub orderers: usize,
    /// Most transactions in a block.
    #[arg(long, default_value_t = 500)]
    pub batch: u32,
    /// Longest wait of a transaction for its block, in milliseconds.
    #[arg(long, default_value_t = 200)]
    pub batch_timeout_ms: u32,
    /// The image that `--workload upload` uploads; without it a drawn one.
    #[arg(long, value_name = "FILE")]
    pub image: Option<PathBuf>,
    /// How to print the result.
    #[arg(long, value_enum, default_value_t = OutputFormat::Text)]
    pub output: OutputFormat,
    /// Also writes the result to this file, for `load compare`.
    #[arg(long, value_name = "FILE")]
    pub save: Option<PathBuf>,
}

impl Default for RunOptions {
    fn default() -> Self {
        Self {
            clients: 64,
            gateways: 2,
            rate: None,
            seconds: 10,
            transactions: None,
            workload: Workload::Put,
            policy: PolicyKind::And,
            keys: KeyKind::P256,
            hospitals: 2,
            orderers: 1,
            batch: 500,
            batch_timeout_ms: 200,
            image: None,
            output: OutputFormat::Text,
            save: None,
        }
    }
}

impl RunOptions {
    /// Whether the options fit together.
    ///
    /// # Errors
    /// The first that does not, with the fix.
    pub fn check(&self) -> Result<()> {
        let (clients, gateways, hospitals) = (self.clients, self.gateways, self.hospitals);
        ensure!((1..=CLIENTS_MAX).contains(&clients), "--clients {clients}: 1 to {CLIENTS_MAX} are possible");
        ensure!((2..=3).contains(&hospitals), "--hospitals {hospitals}: 2 or 3 are possible");
        ensure!(
            (1..=hospitals).contains(&gateways),
            "--gateways {gateways}: the network has {hospitals} peers; ask for 1 to {hospitals}"
        );
        ensure!((1..=3).contains(&self.orderers), "--orderers {}: 1 to 3 are possible", self.orderers);
        ensure!(
            self.policy != PolicyKind::TwoOfThree || hospitals == 3,
            "--policy 2-of-3 needs --hospitals 3"
        );
        ensure!(self.seconds >= 1, "--seconds 0: measure for at least one second");
        ensure!(self.rate != Some(0), "--rate 0: ask for at least one transaction a second");
        Ok(())
    }

    /// The hospitals whose gateways are used.
    pub fn gateway_hospitals(&self) -> impl Iterator<Item = Hospital> {
        Hospital::ALL.into_iter().take(self.gateways)
    }

    /// The hospitals with a peer.
    pub fn peer_hospitals(&self) -> impl Iterator<Item = Hospital> + use<> {
        Hospital::ALL.into_iter().take(self.hospitals)
    }

    /// How long the measurement lasts.
    #[must_use]
    pub const fn window(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }
}

/// What names a run: two results of equal labels can be compared.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Label(pub String);

impl Label {
    /// The label of a run with these options.
    #[must_use]
    pub fn of(options: &RunOptions) -> Self {
        let name = |value: &dyn ValueName| value.value_name();
        let rate = options.rate.map(|rate| format!(" at {rate}/s")).unwrap_or_default();
        Self(format!(
            "{} {} {} {} clients{rate}, {} peers, {} orderers",
            name(&options.workload),
            name(&options.policy),
            name(&options.keys),
            options.clients,
            options.hospitals,
            options.orderers
        ))
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The word by which a flag's value is called.
trait ValueName {
    fn value_name(&self) -> String;
}

impl<T: ValueEnum> ValueName for T {
    fn value_name(&self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_that_do_not_fit_together_are_refused_by_name() {
        let options = RunOptions::default;
        let rows = [
            ("the defaults", options(), None),
            ("nobody", RunOptions { clients: 0, ..options() }, Some("--clients 0")),
            ("too many clients", RunOptions { clients: 901, ..options() }, Some("--clients 901")),
            ("a third gateway of two", RunOptions { gateways: 3, ..options() }, Some("--gateways 3")),
            ("one hospital", RunOptions { hospitals: 1, ..options() }, Some("--hospitals 1")),
            ("no orderer", RunOptions { orderers: 0, ..options() }, Some("--orderers 0")),
            (
                "two of three of two",
                RunOptions { policy: PolicyKind::TwoOfThree, ..options() },
                Some("--hospitals 3"),
            ),
            ("no time", RunOptions { seconds: 0, ..options() }, Some("--seconds 0")),
            ("no rate", RunOptions { rate: Some(0), ..options() }, Some("--rate 0")),
        ];
        for (name, options, refusal) in rows {
            let text = options.check().err().map(|error| error.to_string());
            match refusal {
                None => assert_eq!(text, None, "{name}"),
                Some(part) => assert!(text.is_some_and(|text| text.contains(part)), "{name}"),
            }
        }
    }

    #[test]
    fn a_label_names_what_makes_two_runs_comparable() {
        let label = Label::of(&RunOptions { rate: Some(500), ..RunOptions::default() });
        assert_eq!(label.0, "put and p256 64 clients at 500/s, 2 peers, 1 orderers");
    }
}
