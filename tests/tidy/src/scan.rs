//! Reads Rust text just well enough to measure it: what is code, what is a test, where each function begins and ends.
//!
//! It is a scanner, not a parser: comments, strings and character literals are blanked, then braces are counted. Macros
//! that build functions out of unusual tokens are not seen; none is needed here.

/// The text with everything but code turned into spaces; lines stay where they are, and only ASCII is left.
pub(crate) fn code_of(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut code = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let end = not_code(bytes, at);
        if end > at {
            code.extend(bytes[at..end].iter().map(|byte| if *byte == b'\n' { b'\n' } else { b' ' }));
            at = end;
        } else {
            code.push(if bytes[at].is_ascii() { bytes[at] } else { b' ' });
            at += 1;
        }
    }
    String::from_utf8_lossy(&code).into_owned()
}

/// The end of the comment or literal that begins here, or the same place if none does.
fn not_code(bytes: &[u8], at: usize) -> usize {
    let rest = &bytes[at..];
    if rest.starts_with(b"//") {
        return find(bytes, at, b"\n").unwrap_or(bytes.len());
    }
    if rest.starts_with(b"/*") {
        return comment_end(bytes, at);
    }
    match rest[0] {
        b'"' => string_end(bytes, at + 1),
        b'r' if at == 0 || !is_name(bytes[at - 1]) || matches!(bytes[at - 1], b'b' | b'c') => {
            raw_end(bytes, at)
        }
        b'\'' => character_end(bytes, at),
        _ => at,
    }
}

fn comment_end(bytes: &[u8], start: usize) -> usize {
    let (mut at, mut depth) = (start, 0);
    while at < bytes.len() {
        if bytes[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if bytes[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    at
}

fn string_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// The end of `r"…"` or `r#"…"#` with any number of signs; the start itself if it is only a name that begins with r.
fn raw_end(bytes: &[u8], start: usize) -> usize {
    let signs = bytes[start + 1..].iter().take_while(|byte| **byte == b'#').count();
    let open = start + 1 + signs;
    if bytes.get(open) != Some(&b'"') {
        return start;
    }
    let close = [b"\"".to_vec(), vec![b'#'; signs]].concat();
    find(bytes, open + 1, &close).map_or(bytes.len(), |end| end + close.len())
}

/// The end of a character literal; the start itself if it is a lifetime.
fn character_end(bytes: &[u8], start: usize) -> usize {
    if bytes.get(start + 1) == Some(&b'\\') {
        return find(bytes, start + 3, b"'").map_or(bytes.len(), |end| end + 1);
    }
    // A literal holds one character, of up to four bytes; a lifetime has no sign at its end.
    let width = bytes.get(start + 1).map_or(1, |first| match first {
        0..0x80 => 1,
        0x80..0xe0 => 2,
        0xe0..0xf0 => 3,
        _ => 4,
    });
    if bytes.get(start + 1 + width) == Some(&b'\'') { start + width + 2 } else { start }
}

fn find(bytes: &[u8], from: usize, what: &[u8]) -> Option<usize> {
    let rest = bytes.get(from..)?;
    rest.windows(what.len()).position(|window| window == what).map(|position| from + position)
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// A function with a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Function {
    pub(crate) name: String,
    /// Its first line, counted from 1.
    pub(crate) line: usize,
    /// From the line of `fn` to that of its last brace.
    pub(crate) lines: usize,
}

/// The functions of blanked code, in order.
pub(crate) fn functions(code: &str) -> Vec<Function> {
    let bytes = code.as_bytes();
    let starts = code.match_indices("fn ").filter(|(at, _)| *at == 0 || !is_name(bytes[*at - 1]));
    let function = |at: usize| {
        let name: String =
            code[at + 3..].chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
        let open = body_start(bytes, at)?;
        let end = body_end(bytes, open);
        let line = line_of(bytes, at);
        (!name.is_empty()).then(|| Function { name, line, lines: line_of(bytes, end) - line + 1 })
    };
    starts.filter_map(|(at, _)| function(at)).collect()
}

/// The brace that opens the item which begins here; none if it ends with a semicolon.
fn body_start(bytes: &[u8], at: usize) -> Option<usize> {
    let mut depth = 0i32;
    for (offset, byte) in bytes[at..].iter().enumerate() {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth -= 1,
            b'{' if depth == 0 => return Some(at + offset),
            b';' if depth == 0 => return None,
            _ => {}
        }
    }
    None
}

/// The brace that closes the one here, or the end of the text.
fn body_end(bytes: &[u8], open: usize) -> usize {
    let mut depth = 0i32;
    for (offset, byte) in bytes[open..].iter().enumerate() {
        depth += i32::from(*byte == b'{') - i32::from(*byte == b'}');
        if depth == 0 {
            return open + offset;
        }
    }
    bytes.len()
}

fn line_of(bytes: &[u8], at: usize) -> usize {
    bytes[..at.min(bytes.len())].iter().filter(|byte| **byte == b'\n').count() + 1
}

/// First and last lines of the items under `#[cfg(test)]` that have a body.
pub(crate) fn test_spans(code: &str) -> Vec<(usize, usize)> {
    let bytes = code.as_bytes();
    let mut spans: Vec<(usize, usize)> = Vec::new();
    for (at, attribute) in code.match_indices("#[cfg(test)]") {
        // The attribute's own brackets are passed over before the item's braces are looked for.
        if let Some(open) = body_start(bytes, at + attribute.len()) {
            spans.push((line_of(bytes, at), line_of(bytes, body_end(bytes, open))));
        }
    }
    spans
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_blanked() {
        let rows = [
            ("a // b\nc", "a     \nc"),
            ("a /* b /* c */ d */ e", "a                   e"),
            ("f(\"x{\\\"}\")", "f(       )"),
            ("r\"{\" x", "     x"),
            ("r#\"a\"b\"# x", "         x"),
            ("br#\"{\"# x", "b       x"),
            ("for r in a", "for r in a"),
            ("'{' 'a", "    'a"),
            ("'\\'' x", "     x"),
            ("&'a str", "&'a str"),
            ("\"open", "     "),
            ("r#type", "r#type"),
        ];
        for (text, code) in rows {
            assert_eq!(code_of(text), code, "{text}");
        }
    }

    #[test]
    fn functions_have_names_and_lengths() {
        let text = "trait T { fn none(&self) -> [u8; 4]; }\npub fn one() {}\nfn three<F: Fn(u8)>(f: F)\nwhere F: Copy {\n}\nlet often = 1; // fn no() {}\n";
        let found: Vec<(String, usize, usize)> =
            functions(&code_of(text)).into_iter().map(|f| (f.name, f.line, f.lines)).collect();
        assert_eq!(found, [("one".to_owned(), 2, 1), ("three".to_owned(), 3, 3)]);
    }

    #[test]
    fn items_for_tests_have_spans() {
        let text = "fn a() {}\n#[cfg(test)]\nmod tests {\n  fn b() { \"}\"; }\n}\nfn c() {}\n#[cfg(test)]\nmod elsewhere;\n";
        assert_eq!(test_spans(&code_of(text)), [(2, 5)]);
    }

    #[test]
    fn broken_text_does_not_panic() {
        for text in [
            "'",
            "'\\",
            "\"\\",
            "r#",
            "r",
            "/*",
            "fn ",
            "fn a(",
            "fn a() {",
            "#[cfg(test)]",
            "'\u{e9}",
            "'\u{1f600}'",
        ] {
            let code = code_of(text);
            functions(&code);
            test_spans(&code);
        }
    }
}
