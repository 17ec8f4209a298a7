//! Reads PEM files: certificates and private keys between `-----BEGIN x-----` and `-----END x-----`.
//!
//! Decoded bytes are zeroed when dropped, because some of them are private keys; no error quotes file contents.
//! Text outside the blocks is noted, so that an identity (which must be one certificate and nothing else) can refuse
//! it and a folder (where tools leave a printed form above the block) can allow it. Rules: RFC 7468, without headers.

use std::ops::Range;

use zeroize::Zeroizing;

/// Blocks in one file; far above any CA bundle of one organisation.
const BLOCKS_MAX: usize = 64;

const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"-----END ";
const DASHES: &[u8] = b"-----";

/// Why a text is not PEM. It holds no bytes of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PemError {
    #[error("a PEM block that begins at byte {at} has no END line of the same label")]
    NoEnd { at: usize },
    #[error("a PEM block that begins at byte {at} is encrypted; store the key unencrypted as PKCS#8")]
    Encrypted { at: usize },
    #[error("a PEM block that begins at byte {at} holds text that is not base64")]
    Base64 { at: usize },
    #[error("more than {BLOCKS_MAX} PEM blocks in one file")]
    TooMany,
}

/// One decoded block.
pub(crate) struct PemBlock {
    pub(crate) label: String,
    pub(crate) contents: Zeroizing<Vec<u8>>,
    /// The block's bytes in the text, from the first dash of BEGIN to the line end after END.
    pub(crate) span: Range<usize>,
}

/// All blocks of one text.
pub(crate) struct PemFile {
    pub(crate) blocks: Vec<PemBlock>,
    /// Whether anything but white space stands outside the blocks.
    pub(crate) has_other_text: bool,
}

/// Returns every block of `text`, in order; none where there is no BEGIN line.
pub(crate) fn read(text: &[u8]) -> Result<PemFile, PemError> {
    let mut file = PemFile { blocks: Vec::new(), has_other_text: false };
    let mut lines = Lines { text, at: 0 };
    while let Some((span, line)) = lines.next() {
        let Some(label) = label(line, BEGIN) else {
            file.has_other_text |= !line.is_empty();
            continue;
        };
        if file.blocks.len() == BLOCKS_MAX {
            return Err(PemError::TooMany);
        }
        let start = span.start;
        let body_start = lines.at;
        let (body_end, end) = find_end(&mut lines, label).ok_or(PemError::NoEnd { at: start })?;
        let body = &text[body_start..body_end];
        if body.contains(&b':') {
            return Err(PemError::Encrypted { at: start });
        }
        let contents = base64(body).ok_or(PemError::Base64 { at: start })?;
        let label = String::from_utf8_lossy(label).into_owned();
        file.blocks.push(PemBlock { label, contents, span: start..end });
    }
    Ok(file)
}

/// The start of the END line and the byte after it.
fn find_end(lines: &mut Lines<'_>, wanted: &[u8]) -> Option<(usize, usize)> {
    for (span, line) in lines.by_ref() {
        if label(line, BEGIN).is_some() {
            return None;
        }
        if let Some(found) = label(line, END) {
            return (found == wanted).then_some((span.start, span.end));
        }
    }
    None
}

fn label<'a>(line: &'a [u8], prefix: &[u8]) -> Option<&'a [u8]> {
    let label = line.strip_prefix(prefix)?.strip_suffix(DASHES)?;
    (!label.is_empty()).then_some(label)
}

/// Lines with their spans (line end included), white space trimmed from the line itself.
struct Lines<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Iterator for Lines<'a> {
    type Item = (Range<usize>, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.text.get(self.at..).filter(|rest| !rest.is_empty())?;
        let length = rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |at| at + 1);
        let span = self.at..self.at + length;
        self.at = span.end;
        Some((span, rest[..length].trim_ascii()))
    }
}

/// Strict base64 with padding; white space between characters is skipped.
fn base64(text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let mut out = Zeroizing::new(Vec::with_capacity(text.len() / 4 * 3 + 3));
    let (mut bits, mut count, mut padding) = (0_u32, 0_u32, 0_u32);
    for byte in text.iter().copied().filter(|byte| !byte.is_ascii_whitespace()) {
        if byte == b'=' {
            padding += 1;
            continue;
        }
        if padding > 0 {
            return None;
        }
        bits = bits << 6 | sextet(byte)?;
        count += 1;
        if count == 4 {
            out.extend_from_slice(&bits.to_be_bytes()[1..]);
            (bits, count) = (0, 0);
        }
    }
    match (count, padding) {
        (0, 0) => {}
        (2, 2) if bits & 0xf == 0 => out.push((bits >> 4).to_be_bytes()[3]),
        (3, 1) if bits & 0x3 == 0 => out.extend_from_slice(&(bits >> 2).to_be_bytes()[2..]),
        _ => return None,
    }
    Some(out)
}

fn sextet(byte: u8) -> Option<u32> {
    let value = match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    };
    Some(u32::from(value))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn block(body: &str) -> String {
        format!("-----BEGIN X-----\n{body}\n-----END X-----\n")
    }

    #[test]
    fn base64_is_decoded_strictly() {
        let rows: [(&str, Option<&[u8]>); 9] = [
            ("", Some(b"")),
            ("Zg==", Some(b"f")),
            ("Zm8=", Some(b"fo")),
            ("Zm9v", Some(b"foo")),
            ("Zm9v\r\nYmFy", Some(b"foobar")),
            ("Zm9", None),
            ("Zh==", None),
            ("Zg==Zg==", None),
            ("Zm9*", None),
        ];
        for (body, verdict) in rows {
            let read = read(block(body).as_bytes());
            assert_eq!(read.ok().map(|file| file.blocks[0].contents.to_vec()).as_deref(), verdict, "{body}");
        }
    }

    #[test]
    fn blocks_and_the_text_around_them_are_told_apart() {
        let rows: [(String, usize, bool); 5] = [
            (block("Zm9v"), 1, false),
            (format!("  \n{}\n\n", block("Zm9v")), 1, false),
            (block("Zm9v") + &block("Zm9v"), 2, false),
            (format!("Certificate:\n  Data:\n{}", block("Zm9v")), 1, true),
            ("README".to_owned(), 0, true),
        ];
        for (text, blocks, other_text) in rows {
            let file = read(text.as_bytes()).expect(&text);
            assert_eq!((file.blocks.len(), file.has_other_text), (blocks, other_text), "{text}");
        }
    }

    #[test]
    fn the_span_is_the_block_as_it_stands_in_the_file() {
        let text = format!("above\r\n{}below", block("Zm9v"));
        let file = read(text.as_bytes()).unwrap();
        assert_eq!(&text[file.blocks[0].span.clone()], block("Zm9v"));
    }

    #[test]
    fn broken_blocks_are_named_by_their_place() {
        let rows = [
            ("-----BEGIN X-----\nZm9v\n".to_owned(), PemError::NoEnd { at: 0 }),
            ("-----BEGIN X-----\nZm9v\n-----END Y-----\n".to_owned(), PemError::NoEnd { at: 0 }),
            ("\n-----BEGIN X-----\n-----BEGIN X-----\n".to_owned(), PemError::NoEnd { at: 1 }),
            (block("Proc-Type: 4,ENCRYPTED\n\nZm9v"), PemError::Encrypted { at: 0 }),
            (block("Zm9v").repeat(BLOCKS_MAX + 1), PemError::TooMany),
        ];
        for (text, verdict) in rows {
            assert_eq!(read(text.as_bytes()).err(), Some(verdict), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_input_panics(text in "(-----BEGIN X-----\n|-----END X-----\n|[A-Za-z=+/ \n]{0,9}|\\PC{0,9}){0,12}") {
            let _ = read(text.as_bytes());
        }
    }
}
