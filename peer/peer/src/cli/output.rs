//! A verb's result, written to stdout as text or JSON.

use std::io::Write as _;
use std::process::ExitCode;

use clap::ValueEnum;
use serde_json::Value;

use super::exit::{FAULT, REJECTED};

/// How results are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    /// For people.
    Text,
    /// For programs: one JSON value.
    Json,
}

/// A verb's result.
#[derive(Debug)]
pub struct Done {
    /// For people; may be a chaincode's bytes.
    pub text: Vec<u8>,
    /// For programs; null where everything is written already.
    pub json: Value,
    /// Code and reason where the result itself is a refusal, such as a report that does not verify.
    pub refused: Option<(String, String)>,
}

impl Done {
    /// A result.
    pub fn new(text: impl Into<Vec<u8>>, json: Value) -> Self {
        Self { text: text.into(), json, refused: None }
    }
}

/// Writes a result; returns the exit code.
pub fn print(done: &Done, format: OutputFormat) -> ExitCode {
    let mut bytes = match format {
        OutputFormat::Text => done.text.clone(),
        OutputFormat::Json if done.json.is_null() => Vec::new(),
        OutputFormat::Json => done.json.to_string().into_bytes(),
    };
    if !bytes.is_empty() && !bytes.ends_with(b"\n") {
        bytes.push(b'\n');
    }
    let mut stdout = std::io::stdout().lock();
    if let Err(error) = stdout.write_all(&bytes).and_then(|()| stdout.flush()) {
        eprintln!("fault: the result cannot be written to stdout: {error}");
        return ExitCode::from(FAULT);
    }
    match &done.refused {
        None => ExitCode::SUCCESS,
        Some((code, reason)) => {
            eprintln!("rejected: {code}: {reason}");
            ExitCode::from(REJECTED)
        }
    }
}

/// A payload for programs: JSON as it is, text as text, other bytes as hex digits.
pub fn shown(payload: &[u8]) -> Value {
    serde_json::from_slice(payload).unwrap_or_else(|_| match std::str::from_utf8(payload) {
        Ok(text) => Value::from(text),
        Err(_) => Value::from(hex_digits(payload)),
    })
}

/// Bytes as hex digits.
pub fn hex_digits(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_payload_is_shown_by_its_kind() {
        let rows: &[(&[u8], Value)] = &[
            (br#"{"id":"car1"}"#, json!({ "id": "car1" })),
            (b"plain", json!("plain")),
            (b"7", json!(7)),
            (b"", json!("")),
            (&[0xff, 0x00], json!("ff00")),
        ];
        for (payload, expected) in rows {
            assert_eq!(shown(payload), *expected, "{payload:?}");
        }
    }
}
