//! The little of DER that is needed around rcgen: walk elements, write one.
//!
//! The reader goes forward over one level, never recurses and never allocates; whatever the bytes are, it answers
//! an element or the reason why there is none. Rules: ITU-T X.690, definite lengths in their shortest form.

/// Tag of BOOLEAN.
pub(crate) const BOOLEAN: u8 = 0x01;
/// Tag of INTEGER.
pub(crate) const INTEGER: u8 = 0x02;
/// Tag of BIT STRING.
pub(crate) const BIT_STRING: u8 = 0x03;
/// Tag of OCTET STRING.
pub(crate) const OCTET_STRING: u8 = 0x04;
/// Tag of OBJECT IDENTIFIER.
pub(crate) const OBJECT_IDENTIFIER: u8 = 0x06;
/// Tag of SEQUENCE.
pub(crate) const SEQUENCE: u8 = 0x30;
/// Tag of SET.
pub(crate) const SET: u8 = 0x31;

/// One element: its tag, all of its bytes, and its contents.
#[derive(Clone, Copy)]
pub(crate) struct Element<'a> {
    /// The identifier byte.
    pub(crate) tag: u8,
    /// Identifier, length and contents.
    pub(crate) raw: &'a [u8],
    /// The contents alone.
    pub(crate) content: &'a [u8],
}

/// Walks over the elements of one level.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Starts before the first element of `bytes`.
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// True when nothing is left on this level.
    pub(crate) fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next element's tag, without moving.
    pub(crate) fn peek_tag(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// Returns the next element, whatever its tag.
    pub(crate) fn next_any(&mut self) -> Result<Element<'a>, &'static str> {
        let (&tag, after_tag) = self.rest.split_first().ok_or("it ends where an element should begin")?;
        if tag & 0x1f == 0x1f {
            return Err("an element's tag is longer than one byte");
        }
        let (length, header_length) = read_length(after_tag)?;
        let total = 1 + header_length + length;
        if self.rest.len() < total {
            return Err("an element is longer than the bytes that hold it");
        }
        let (raw, rest) = self.rest.split_at(total);
        self.rest = rest;
        Ok(Element { tag, raw, content: &raw[1 + header_length..] })
    }

    /// Returns the next element, which must carry `tag`.
    pub(crate) fn next(&mut self, tag: u8) -> Result<Element<'a>, &'static str> {
        let element = self.next_any()?;
        if element.tag != tag {
            return Err("an element has another type than its place asks for");
        }
        Ok(element)
    }

    /// Asks that nothing is left on this level.
    pub(crate) fn finish(self) -> Result<(), &'static str> {
        if self.is_at_end() { Ok(()) } else { Err("bytes follow where it should end") }
    }
}

/// Returns the length and the number of bytes in which it is written, which keeps `1 + both` far from overflow.
fn read_length(bytes: &[u8]) -> Result<(usize, usize), &'static str> {
    let &first = bytes.first().ok_or("it ends within an element's length")?;
    if first < 0x80 {
        return Ok((usize::from(first), 1));
    }
    let count = usize::from(first & 0x7f);
    if count == 0 || count > 3 {
        return Err("an element's length is indefinite or beyond 16 MiB");
    }
    let digits = bytes.get(1..=count).ok_or("it ends within an element's length")?;
    let length = digits.iter().fold(0_usize, |sum, digit| sum << 8 | usize::from(*digit));
    if length < 0x80 || digits[0] == 0 {
        return Err("an element's length is not in its shortest form");
    }
    Ok((length, 1 + count))
}

/// Returns one element with `tag` and `content`; at most 65,535 bytes of content, which every caller is far below.
pub(crate) fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let mut out = vec![tag];
    match length {
        0..0x80 => out.push(length as u8),
        0x80..0x100 => out.extend([0x81, length as u8]),
        _ => {
            assert!(length < 0x1_0000, "an element of {length} bytes is written");
            out.extend([0x82, (length >> 8) as u8, length as u8]);
        }
    }
    out.extend_from_slice(content);
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_element_is_read_as_it_was_written() {
        for length in [0_usize, 1, 127, 128, 255, 256, 65_535] {
            let content = vec![7; length];
            let written = element(OCTET_STRING, &content);
            let mut reader = Reader::new(&written);
            let read = reader.next(OCTET_STRING).unwrap();
            assert_eq!((read.content, read.raw), (content.as_slice(), written.as_slice()));
            assert!(reader.finish().is_ok());
        }
    }

    #[test]
    fn every_break_of_the_encoding_is_named() {
        let table: [(&[u8], &str); 10] = [
            (&[], "it ends where an element should begin"),
            (&[0x30], "it ends within an element's length"),
            (&[0x30, 0x81], "it ends within an element's length"),
            (&[0x30, 0x80], "an element's length is indefinite or beyond 16 MiB"),
            (&[0x30, 0x84, 0, 0, 0, 1], "an element's length is indefinite or beyond 16 MiB"),
            (&[0x30, 0x81, 0x05, 0, 0, 0, 0, 0], "an element's length is not in its shortest form"),
            (&[0x30, 0x82, 0x00, 0x85], "an element's length is not in its shortest form"),
            (&[0x30, 0x02, 0x00], "an element is longer than the bytes that hold it"),
            (&[0x1f, 0x02, 0x00, 0x00], "an element's tag is longer than one byte"),
            (&[0x04, 0x00], "an element has another type than its place asks for"),
        ];
        for (bytes, verdict) in table {
            assert_eq!(Reader::new(bytes).next(SEQUENCE).err(), Some(verdict), "{bytes:02x?}");
        }
        assert_eq!(Reader::new(&[0]).finish(), Err("bytes follow where it should end"));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic_and_are_never_read_twice(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut reader = Reader::new(&bytes);
            let mut consumed = 0;
            while let Ok(element) = reader.next_any() {
                consumed += element.raw.len();
            }
            prop_assert!(consumed <= bytes.len());
        }
    }
}
