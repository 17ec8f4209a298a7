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
    /// For programs.
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
