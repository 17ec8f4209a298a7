//! Durations as Fabric's flags write them: `30s`, `1m30s`, `500ms`.

use std::time::Duration;

/// A deadline beyond a day is a typing error.
const MOST: Duration = Duration::from_secs(24 * 60 * 60);

/// Reads a duration; the error says how to write one.
pub fn parse(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is no duration: write for example 30s, 1m30s or 500ms, at most 24h");
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number: u64 = rest[..digits].parse().map_err(|_| wrong())?;
        rest = &rest[digits..];
        let letters = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
        let milliseconds = match &rest[..letters] {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            _ => return Err(wrong()),
        };
        rest = &rest[letters..];
        total = total.saturating_add(Duration::from_millis(number.saturating_mul(milliseconds)));
    }
    if total.is_zero() || total > MOST { Err(wrong()) } else { Ok(total) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_as_in_fabric() {
        let rows = [
            ("30s", Some(30_000)),
            ("1m30s", Some(90_000)),
            ("500ms", Some(500)),
            ("1h", Some(3_600_000)),
            ("", None),
            ("30", None),
            ("s", None),
            ("-1s", None),
            ("0s", None),
            ("1d", None),
            ("25h", None),
            ("99999999999999999999s", None),
        ];
        for (text, milliseconds) in rows {
            assert_eq!(parse(text).ok(), milliseconds.map(Duration::from_millis), "{text:?}");
        }
    }
}
