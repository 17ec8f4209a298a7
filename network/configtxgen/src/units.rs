//! Sizes and times as Fabric's files write them: `10 MB`, `512 KB`, `500ms`, `2s`.

/// Bytes in the written size. KB, MB and GB count in steps of 1,024, as Fabric reads them.
///
/// # Errors
/// A sentence with the forms that are understood.
pub fn bytes(text: &str) -> Result<u32, String> {
    let units = [("GB", 1 << 30), ("MB", 1 << 20), ("KB", 1 << 10), ("B", 1), ("", 1)];
    scaled(text, &units).ok_or_else(|| "write a size such as `512 KB` or `10 MB`, below 4 GB".to_owned())
}

/// Milliseconds in the written time.
///
/// # Errors
/// A sentence with the forms that are understood.
pub fn milliseconds(text: &str) -> Result<u32, String> {
    let units = [("ms", 1), ("s", 1_000), ("m", 60_000)];
    scaled(text, &units).ok_or_else(|| "write a time such as `500ms` or `2s`".to_owned())
}

fn scaled(text: &str, units: &[(&str, u64)]) -> Option<u32> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let (_, factor) = units.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit.trim()))?;
    u32::try_from(number.parse::<u64>().ok()?.checked_mul(*factor)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_in_steps_of_1024() {
        let rows = [
            ("10 MB", Some(10 << 20)),
            ("512KB", Some(512 << 10)),
            ("512 kb", Some(512 << 10)),
            ("1 GB", Some(1 << 30)),
            ("99", Some(99)),
            ("7 B", Some(7)),
            ("4 GB", None),
            ("1.5 MB", None),
            ("-1", None),
            ("MB", None),
            ("10 XB", None),
            ("", None),
            ("99999999999999999999 MB", None),
        ];
        for (text, expected) in rows {
            assert_eq!(bytes(text).ok(), expected, "{text:?}");
        }
    }

    #[test]
    fn times_are_read_in_milliseconds() {
        let rows = [
            ("500ms", Some(500)),
            ("2s", Some(2_000)),
            ("1m", Some(60_000)),
            ("500", None),
            ("2h", None),
            ("", None),
        ];
        for (text, expected) in rows {
            assert_eq!(milliseconds(text).ok(), expected, "{text:?}");
        }
    }
}
