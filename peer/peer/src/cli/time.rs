//! Times for people: UTC, to the second.

/// Milliseconds since 1970 as `2026-01-31 12:00:00 UTC`.
pub fn utc(ms: u64) -> String {
    // The thousandths and what follows them are left out.
    let text = protocol::rfc3339(ms - ms % 1_000);
    text.replace('T', " ").replace(".000Z", " UTC")
}

#[cfg(test)]
mod tests {
    use super::utc;

    #[test]
    fn times_are_those_of_the_calendar() {
        let rows = [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_782_400_000, "2000-02-29 00:00:00 UTC"),
            (1_709_210_096_789, "2024-02-29 12:34:56 UTC"),
            (1_767_225_600_000, "2026-01-01 00:00:00 UTC"),
            (4_107_542_399_000, "2100-02-28 23:59:59 UTC"),
            (4_107_542_400_000, "2100-03-01 00:00:00 UTC"),
        ];
        for (ms, text) in rows {
            assert_eq!(utc(ms), text);
        }
    }
}
