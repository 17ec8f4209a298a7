//! Times as people and clients write them.

/// Milliseconds since 1970 in the form of RFC 3339, UTC, three digits of a second: `2026-01-31T12:00:00.000Z`. Proleptic
/// Gregorian calendar, days counted from 1 March of year 0.
#[must_use]
pub fn rfc3339(ms: u64) -> String {
    let (seconds, ms) = (ms / 1_000, ms % 1_000);
    // 719,468 days lie between 0000-03-01 and 1970-01-01.
    let (days, second) = (seconds / 86_400 + 719_468, seconds % 86_400);
    // An era of 400 years has 146,097 days.
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute) = (second / 3_600, second % 3_600 / 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{:02}.{ms:03}Z", second % 60)
}

#[cfg(test)]
mod tests {
    use super::rfc3339;

    #[test]
    fn times_are_those_of_the_calendar() {
        let rows = [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_001, "2000-02-29T00:00:00.001Z"),
            (1_709_210_096_789, "2024-02-29T12:34:56.789Z"),
            (4_107_542_399_999, "2100-02-28T23:59:59.999Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ];
        for (ms, text) in rows {
            assert_eq!(rfc3339(ms), text);
        }
    }
}
