//! Where logs go: to stderr, as text or JSON, from the level that the environment names.
//!
//! stdout belongs to results. `RUST_LOG` is read first, then Fabric's `FABRIC_LOGGING_SPEC`
//! (`info:ledger,transport=debug`), then the node's own default.

use std::str::FromStr;

use thiserror::Error;
use tracing_subscriber::EnvFilter;

/// How a line of the log is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For machines: one JSON object a line.
    Json,
}

impl FromStr for LogFormat {
    type Err = LogsError;

    fn from_str(text: &str) -> Result<Self, LogsError> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(LogsError::Format { value: text.to_owned() }),
        }
    }
}

/// Why logs were not set up.
#[derive(Debug, Error)]
pub enum LogsError {
    /// The format is unknown.
    #[error("log format {value:?} is unknown: write text or json")]
    Format {
        /// As given.
        value: String,
    },
    /// The levels cannot be read.
    #[error(
        "log levels {value:?} of {origin} are not usable: {reason}; write for example info or info:transport=debug"
    )]
    Levels {
        /// As given.
        value: String,
        /// The variable or `default`.
        origin: &'static str,
        /// What the reader met.
        reason: String,
    },
    /// Logs were set up before.
    #[error("logs are set up already in this process")]
    Twice,
}

/// Sends this process's logs to stderr. `default_levels` hold where the environment names none, such as `info`.
///
/// # Errors
/// [`LogsError`] for levels that cannot be read, and for a second call.
pub fn init_tracing(format: LogFormat, default_levels: &str) -> Result<(), LogsError> {
    let filter = levels(|name| std::env::var(name).ok(), default_levels)?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Text => builder.with_ansi(false).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    }
    .map_err(|_| LogsError::Twice)
}

fn levels(variable: impl Fn(&str) -> Option<String>, default: &str) -> Result<EnvFilter, LogsError> {
    const RUST: &str = "RUST_LOG";
    const FABRIC: &str = "FABRIC_LOGGING_SPEC";
    let set =
        |name: &'static str| variable(name).filter(|value| !value.is_empty()).map(|value| (name, value));
    let (origin, value) = set(RUST).or_else(|| set(FABRIC)).unwrap_or(("default", default.to_owned()));
    let directives = if origin == FABRIC { of_fabric(&value) } else { Ok(value.clone()) };
    directives
        .and_then(|text| EnvFilter::builder().parse(text).map_err(|error| error.to_string()))
        .map_err(|reason| LogsError::Levels { value, origin, reason })
}

/// Fabric's `a,b=debug:info` as `a=debug,b=debug,info`.
fn of_fabric(spec: &str) -> Result<String, String> {
    let mut directives = Vec::new();
    for part in spec.split(':') {
        match part.split_once('=') {
            Some((names, text)) => {
                let level = level_of_fabric(text)?;
                directives.extend(names.split(',').map(|name| format!("{name}={level}")));
            }
            None => directives.push(level_of_fabric(part)?.to_owned()),
        }
    }
    Ok(directives.join(","))
}

fn level_of_fabric(text: &str) -> Result<&'static str, String> {
    match text.to_lowercase().as_str() {
        "debug" => Ok("debug"),
        "info" => Ok("info"),
        "warning" | "warn" => Ok("warn"),
        "error" | "panic" | "fatal" => Ok("error"),
        _ => Err(format!("{text:?} is none of debug, info, warning, error, panic, fatal")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_comes_before_the_default() {
        let rows: &[(&str, &str, &str)] = &[
            // RUST_LOG, FABRIC_LOGGING_SPEC, the filter in force
            ("", "", "info"),
            ("debug", "", "debug"),
            ("", "WARNING", "warn"),
            ("", "loud", "error text"),
            ("", "info:ledger=loud", "error text"),
            ("", "DEBUG", "debug"),
            ("trace", "debug", "trace"),
            ("", "info:ledger,transport=DEBUG", "ledger=debug,transport=debug,info"),
            ("a=nonsense", "", "error text"),
        ];
        for (rust, fabric, expected) in rows {
            let variable =
                |name: &str| Some(if name == "RUST_LOG" { (*rust).to_owned() } else { (*fabric).to_owned() });
            match levels(variable, "info") {
                Ok(filter) => {
                    let mut found: Vec<_> = filter.to_string().split(',').map(str::to_owned).collect();
                    let mut expected: Vec<_> = expected.split(',').map(str::to_owned).collect();
                    found.sort();
                    expected.sort();
                    assert_eq!(found, expected, "{rust:?} {fabric:?}");
                }
                Err(error) => assert_eq!(*expected, "error text", "{rust:?} {fabric:?}: {error}"),
            }
        }
    }

    #[test]
    fn formats_are_named() {
        assert_eq!("json".parse::<LogFormat>().unwrap(), LogFormat::Json);
        assert!("xml".parse::<LogFormat>().unwrap_err().to_string().contains("\"xml\""));
    }
}
