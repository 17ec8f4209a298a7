//! The load generator over real networks: its figures are there and fit together.
#![allow(clippy::expect_used, reason = "a panic is how a test fails")]

use std::process::Command;

use serde_json::Value;

fn load(args: &[&str]) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_load")).args(args).output().expect("it starts");
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn number(value: &Value, path: &str) -> f64 {
    value.pointer(path).and_then(Value::as_f64).unwrap_or_else(|| panic!("{path} is no number in {value}"))
}

#[test]
fn a_run_of_puts_counts_what_it_committed_and_what_that_cost() {
    let folder = tempfile::tempdir().expect("a folder");
    let saved = folder.path().join("result.json");
    let saved = saved.to_str().expect("a path");
    let result = load(&[
        "run",
        "--clients",
        "4",
        "--transactions",
        "40",
        "--workload",
        "catch-up",
        "--output",
        "json",
        "--save",
        saved,
    ]);
    assert_eq!(result["done"], 40, "{result}");
    assert_eq!(result["failed"], serde_json::json!({}), "{result}");
    assert_eq!(result["invalid"], serde_json::json!({}), "{result}");
    for path in [
        "/a_second",
        "/total/p50_ms",
        "/endorse/p50_ms",
        "/order/p50_ms",
        "/commit/p50_ms",
        "/cpu_ms",
        "/signature_ms",
        "/disk_bytes",
        "/calibration/verifies_a_s",
        "/catch_up/a_second",
    ] {
        assert!(number(&result, path) > 0.0, "{path} in {result}");
    }
    assert!(number(&result, "/total/p50_ms") <= number(&result, "/total/p99_ms"));
    let names: Vec<&str> =
        result["processes"].as_array().expect("a list").iter().filter_map(|p| p["name"].as_str()).collect();
    assert_eq!(names, ["client", "orderer-a", "peer-a", "peer-b"]);
    let compared =
        Command::new(env!("CARGO_BIN_EXE_load")).args(["compare", saved, saved]).output().expect("it starts");
    assert!(compared.status.success());
    assert!(String::from_utf8_lossy(&compared.stdout).contains("1.00"));
}

#[test]
fn hot_keys_conflict_and_reads_do_not() {
    let hot =
        load(&["run", "--workload", "hot", "--clients", "8", "--transactions", "60", "--output", "json"]);
    assert!(number(&hot, "/invalid/MVCC_READ_CONFLICT") > 0.0, "{hot}");
    assert!(number(&hot, "/done") > 0.0, "{hot}");
    let read = load(&[
        "run",
        "--workload",
        "evaluate",
        "--clients",
        "4",
        "--transactions",
        "50",
        "--output",
        "json",
    ]);
    assert_eq!((&read["done"], &read["blocks"]), (&Value::from(50), &Value::from(0)), "{read}");
}

#[test]
fn options_that_do_not_fit_end_before_anything_starts() {
    let output = Command::new(env!("CARGO_BIN_EXE_load"))
        .args(["run", "--policy", "2-of-3", "--hospitals", "2"])
        .output()
        .expect("it starts");
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("--policy 2-of-3 needs --hospitals 3"), "{text}");
}
