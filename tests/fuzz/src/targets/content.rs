//! What a report is made of: images, and the blocks of sealed files.

use imaging::{DecodeLimits, PerceptualHash};
use offchain::{Cid, links};

/// Small limits, so that the search is fast; the code is the same.
const LIMITS: DecodeLimits = DecodeLimits {
    encoded_bytes_max: 1 << 20,
    side_max: 512,
    pixels_max: 128 << 10,
    working_bytes_max: 4 << 20,
};

/// A PNG or JPEG file.
pub fn image(bytes: &[u8]) -> bool {
    let Ok(image) = imaging::decode(bytes, &LIMITS) else { return false };
    let pixels = u64::from(image.width()) * u64::from(image.height());
    assert!(pixels > 0 && pixels <= LIMITS.pixels_max, "an image keeps the limits");
    assert_eq!(image.grey().len() as u64, pixels, "one byte a pixel");
    let hash: PerceptualHash = imaging::wavelet_hash(&image);
    assert_eq!(
        hash.to_string().parse::<PerceptualHash>().ok(),
        Some(hash),
        "a hash reads back from its text"
    );
    true
}

/// A content address in text or bytes, and a link node under its own address.
pub fn dag(bytes: &[u8]) -> bool {
    if let Ok(cid) = Cid::from_bytes(bytes) {
        assert_eq!(cid.to_bytes(), bytes, "an accepted address re-encodes to itself");
        return true;
    }
    if let Some(cid) = std::str::from_utf8(bytes).ok().and_then(|text| text.parse::<Cid>().ok()) {
        assert_eq!(
            cid.to_string().parse().ok(),
            Some(cid),
            "an address reads back from the base that it is written in"
        );
        return true;
    }
    let Ok(found) = links(dag_pb(bytes), bytes) else { return false };
    assert!(!found.is_empty(), "a link node has children");
    let total = found.iter().try_fold(0_u64, |sum, link| sum.checked_add(link.content_bytes));
    assert!(total.is_some(), "sizes stay within 64 bits");
    true
}

/// The address under which these bytes are a link node.
fn dag_pb(bytes: &[u8]) -> Cid {
    let mut address = Cid::of_raw(bytes).to_bytes();
    address[1] = 0x70;
    Cid::from_bytes(&address).expect("dag-pb is the other codec")
}
