//! A look at a file before it is sent: only to fail early with a clear message. The peer decides what a report is.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use imaging::MediaType;
use protocol::limits::REPORT_BYTES_MAX;

/// First bytes that show a file's format.
const HEAD_BYTES: u64 = 512;

/// Returns the file's size, or says what is wrong with it.
pub fn check(path: &Path) -> Result<u64, String> {
    let name = path.display();
    let metadata = std::fs::metadata(path)
        .map_err(|error| format!("{name}: cannot be read: {error}; check the path"))?;
    if !metadata.is_file() {
        return Err(format!("{name}: is no regular file; name the report's image file"));
    }
    let size = metadata.len();
    if size == 0 {
        return Err(format!("{name}: the file is empty (0 bytes); name the report's image file"));
    }
    if size > REPORT_BYTES_MAX {
        return Err(format!("{name}: the file has {size} bytes; a report has at most {REPORT_BYTES_MAX}"));
    }
    let mut head = Vec::new();
    let read = File::open(path).and_then(|file| file.take(HEAD_BYTES).read_to_end(&mut head));
    read.map_err(|error| format!("{name}: cannot be read: {error}; check its permissions"))?;
    MediaType::sniff(&head).map_err(|error| format!("{name}: {error}"))?;
    Ok(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_no_image_is_refused_with_its_own_message() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            path
        };
        let huge = folder.path().join("huge.png");
        File::create(&huge).unwrap().set_len(REPORT_BYTES_MAX + 1).unwrap();
        let rows = [
            (write("text.png", b"Dear colleague"), Err("those of a text")),
            (write("empty.png", b""), Err("empty (0 bytes)")),
            (write("scan.pdf", b"%PDF-1.7"), Err("PDF")),
            (folder.path().join("absent.png"), Err("cannot be read")),
            (folder.path().to_owned(), Err("no regular file")),
            (huge, Err("at most")),
            (write("good.png", b"\x89PNG\r\n\x1a\n rest"), Ok(13)),
            (write("good.jpg", b"\xff\xd8\xff\xe0 rest"), Ok(9)),
        ];
        for (path, expected) in rows {
            match (check(&path), expected) {
                (Ok(size), Ok(expected)) => assert_eq!(size, expected, "{}", path.display()),
                (Err(text), Err(part)) => {
                    assert!(text.contains(part) && text.contains(&path.display().to_string()), "{text}");
                }
                (found, _) => panic!("{}: {found:?}", path.display()),
            }
        }
    }
}
