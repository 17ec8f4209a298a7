//! What is aimed at, beside what Fabric 3.1.5 takes on the same hardware and what a table's runs gave, as Markdown.

use std::fmt::Write as _;

use crate::options::{KeyKind, RunOptions, Workload};
use crate::results::RunResult;

/// One aim: what, Fabric's figure, the target, and how a result's figure is read.
struct Aim {
    what: &'static str,
    fabric: &'static str,
    target: &'static str,
    workload: Workload,
    clients: usize,
    figure: fn(&RunResult) -> String,
}

const AIMS: [Aim; 11] = [
    Aim {
        what: "CPU a transaction, all processes, 256 clients",
        fabric: "7.8 ms",
        target: "1.0 / 0.6 ms",
        workload: Workload::Put,
        clients: 256,
        figure: |result| format!("{:.2} ms", result.cpu_ms),
    },
    Aim {
        what: "the same as a multiple of its signature operations in that run",
        fabric: "",
        target: "1.3",
        workload: Workload::Put,
        clients: 256,
        figure: |result| format!("{:.1} of {:.2} ms", result.signature_ratio(), result.signature_ms),
    },
    Aim {
        what: "committed a second, 256 clients",
        fabric: "254",
        target: "1,900",
        workload: Workload::Put,
        clients: 256,
        figure: |result| format!("{:.0}", result.a_second),
    },
    Aim {
        what: "p50 / p99 of them",
        fabric: "1,013 / 1,493 ms",
        target: "150 / 400 ms",
        workload: Workload::Put,
        clients: 256,
        figure: |result| format!("{:.0} / {:.0} ms", result.total.p50_ms, result.total.p99_ms),
    },
    Aim {
        what: "latency of one client, p50",
        fabric: "2,016 ms (14 ms at one transaction a block)",
        target: "2 fsyncs + 5 ms",
        workload: Workload::Put,
        clients: 1,
        figure: |result| {
            let aim = 2.0 * result.calibration.fsync.p50_ms + 5.0;
            format!("{:.1} ms (aim {aim:.1})", result.total.p50_ms)
        },
    },
    Aim {
        what: "evaluate, CPU a call at the peers, 64 clients",
        fabric: "1.3 ms",
        target: "0.25 ms",
        workload: Workload::Evaluate,
        clients: 64,
        figure: |result| format!("{:.2} ms", peers_cpu_ms(result)),
    },
    Aim {
        what: "catch-up of a fresh peer, CPU a transaction",
        fabric: "0.77-0.94 ms",
        target: "0.40 / 0.20 ms",
        workload: Workload::CatchUp,
        clients: 256,
        figure: |result| {
            result.catch_up.map_or_else(String::new, |caught| format!("{:.2} ms", caught.cpu_ms))
        },
    },
    Aim {
        what: "disk a transaction and peer, log included, after 50,000",
        fabric: "4.7 KB",
        target: "1.5 KB",
        workload: Workload::CatchUp,
        clients: 256,
        figure: |result| format!("{:.1} KB", result.disk_bytes / 1_000.0),
    },
    Aim {
        what: "start of a network to the first committed transaction",
        fabric: "10.8 s",
        target: "2 s",
        workload: Workload::Put,
        clients: 1,
        figure: |result| format!("{:.1} s", result.first_transaction_ms / 1_000.0),
    },
    Aim {
        what: "memory of an idle peer",
        fabric: "90 MB",
        target: "40 MB",
        workload: Workload::CatchUp,
        clients: 256,
        figure: |result| format!("{} MB", result.peer_memory().0 >> 20),
    },
    Aim {
        what: "memory of a peer after 50,000 transactions",
        fabric: "490 MB",
        target: "150 MB",
        workload: Workload::CatchUp,
        clients: 256,
        figure: |result| format!("{} MB", result.peer_memory().1 >> 20),
    },
];

fn peers_cpu_ms(result: &RunResult) -> f64 {
    let peers = result.processes.iter().filter(|process| process.name.starts_with("peer"));
    peers.map(|process| process.cpu_ms).sum()
}

/// The table of the aims. `rows` are the options of `results`, one for each. A run that was not made leaves its place empty.
pub fn markdown(rows: &[RunOptions], results: &[RunResult]) -> String {
    let mut text = String::from(
        "| What | Fabric 3.1.5 | aim, P-256 / Ed25519 | P-256 | Ed25519 |\n| --- | --- | --- | --- | --- |\n",
    );
    for aim in &AIMS {
        let figure = |keys: KeyKind| {
            let found = rows
                .iter()
                .zip(results)
                .find(|(row, _)| (row.keys, row.workload, row.clients) == (keys, aim.workload, aim.clients));
            found.map_or_else(String::new, |(_, result)| (aim.figure)(result))
        };
        // A string takes whatever is written to it.
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} |",
            aim.what,
            aim.fabric,
            aim.target,
            figure(KeyKind::P256),
            figure(KeyKind::Ed25519)
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::tests::result;

    #[test]
    fn each_aim_takes_its_figure_from_the_run_of_its_workload_clients_and_keys() {
        let row = |keys, clients| RunOptions { keys, clients, ..RunOptions::default() };
        let rows = [row(KeyKind::P256, 1), row(KeyKind::P256, 256), row(KeyKind::Ed25519, 256)];
        let results = [result("one", 200.0, 5.0), result("many", 1_900.0, 1.0), result("ed", 2_500.0, 0.75)];
        let text = markdown(&rows, &results);
        for line in [
            "| CPU a transaction, all processes, 256 clients | 7.8 ms | 1.0 / 0.6 ms | 1.00 ms | 0.75 ms |",
            "| the same as a multiple of its signature operations in that run |  | 1.3 | 2.0 of 0.50 ms | 1.5 of 0.50 ms |",
            "| committed a second, 256 clients | 254 | 1,900 | 1900 | 2500 |",
            "| latency of one client, p50 | 2,016 ms (14 ms at one transaction a block) | 2 fsyncs + 5 ms | 10.0 ms (aim 25.0) |  |",
            "| evaluate, CPU a call at the peers, 64 clients | 1.3 ms | 0.25 ms |  |  |",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
        }
        assert_eq!(text.lines().count(), 2 + AIMS.len());
    }
}
