//! The form of ECDSA P-256 signatures: strict DER, and s in the lower half of the curve's order.
//!
//! ECDSA is malleable: with (r, s) also (r, n − s) verifies. Fabric and this network accept only the low one, so that
//! nobody can change the bytes of a signed transaction. Nothing here verifies; that is `key`'s work.

use crate::rejection::SignatureRejection;

/// Half of the order of P-256, rounded down: the greatest s that is allowed.
const HALF_ORDER: [u8; 32] = [
    0x7f, 0xff, 0xff, 0xff, 0x80, 0x00, 0x00, 0x00, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xde,
    0x73, 0x7d, 0x56, 0xd3, 0x8b, 0xcf, 0x42, 0x79, 0xdc, 0xe5, 0x61, 0x7e, 0x31, 0x92, 0xa8,
];
/// The order of P-256.
const ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc,
    0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;

/// Checks that `der` is one strictly encoded signature with a low s.
pub(crate) fn check(der: &[u8]) -> Result<(), SignatureRejection> {
    let s = read(der)?;
    if s > HALF_ORDER { Err(SignatureRejection::HighS) } else { Ok(()) }
}

/// Returns the DER form of a fixed-length signature (r ‖ s, 64 bytes) with s replaced by n − s where it is high.
pub(crate) fn low_s_der(fixed: &[u8; 64]) -> Vec<u8> {
    let (r, s) = fixed.split_at(32);
    let mut low = [0_u8; 32];
    low.copy_from_slice(s);
    if low > HALF_ORDER {
        low = subtract(&ORDER, &low);
    }
    let mut body = Vec::with_capacity(72);
    write_integer(&mut body, r);
    write_integer(&mut body, &low);
    let mut der = Vec::with_capacity(72);
    // Two integers of at most 35 bytes: the length always fits DER's short form.
    der.extend_from_slice(&[SEQUENCE, u8::try_from(body.len()).unwrap_or(u8::MAX)]);
    der.extend_from_slice(&body);
    der
}

/// a − b for big-endian numbers, a ≥ b.
fn subtract(a: &[u8; 32], b: &[u8; 32]) -> [u8; 32] {
    let mut out = [0_u8; 32];
    let mut borrow = 0_i16;
    for at in (0..32).rev() {
        let mut digit = i16::from(a[at]) - i16::from(b[at]) - borrow;
        borrow = i16::from(digit < 0);
        digit += borrow << 8;
        out[at] = digit.to_be_bytes()[1];
    }
    out
}

fn write_integer(out: &mut Vec<u8>, big_endian: &[u8]) {
    let zeros = big_endian.iter().take(big_endian.len() - 1).take_while(|byte| **byte == 0).count();
    let digits = &big_endian[zeros..];
    let sign = usize::from(digits[0] >= 0x80);
    out.extend_from_slice(&[INTEGER, u8::try_from(digits.len() + sign).unwrap_or(u8::MAX)]);
    out.extend(std::iter::repeat_n(0, sign));
    out.extend_from_slice(digits);
}

/// The value of s, when `der` is well formed; r and s are positive and at most 256 bits long.
fn read(der: &[u8]) -> Result<[u8; 32], SignatureRejection> {
    let malformed = |what| SignatureRejection::Malformed { what };
    let (tag, rest) = der.split_first().ok_or(malformed("it is empty"))?;
    let (length, body) = rest.split_first().ok_or(malformed("it is truncated"))?;
    if *tag != SEQUENCE || *length >= 0x80 {
        return Err(malformed("it is not a DER sequence of two integers"));
    }
    match body.len().cmp(&usize::from(*length)) {
        std::cmp::Ordering::Less => return Err(malformed("it is truncated")),
        std::cmp::Ordering::Greater => return Err(malformed("bytes follow the signature")),
        std::cmp::Ordering::Equal => {}
    }
    let (_r, body) = read_integer(body)?;
    let (s, body) = read_integer(body)?;
    if body.is_empty() { Ok(s) } else { Err(malformed("the sequence holds more than two integers")) }
}

fn read_integer(body: &[u8]) -> Result<([u8; 32], &[u8]), SignatureRejection> {
    let malformed = |what| SignatureRejection::Malformed { what };
    let [tag, length, rest @ ..] = body else { return Err(malformed("an integer is missing")) };
    if *tag != INTEGER {
        return Err(malformed("it is not a DER sequence of two integers"));
    }
    let (digits, rest) =
        rest.split_at_checked(usize::from(*length)).ok_or(malformed("an integer is truncated"))?;
    let digits = match digits {
        [] => return Err(malformed("an integer is empty")),
        [first, ..] if *first >= 0x80 => return Err(malformed("an integer is negative")),
        [0] => return Err(malformed("an integer is zero")),
        [0, second, ..] if *second < 0x80 => return Err(malformed("an integer is padded")),
        [0, digits @ ..] => digits,
        digits => digits,
    };
    let start = 32_usize.checked_sub(digits.len()).ok_or(malformed("an integer is longer than 256 bits"))?;
    let mut value = [0_u8; 32];
    value[start..].copy_from_slice(digits);
    Ok((value, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fixed(r: u8, s: &[u8; 32]) -> [u8; 64] {
        let mut out = [0_u8; 64];
        out[31] = r;
        out[32..].copy_from_slice(s);
        out
    }

    fn one_more(n: &[u8; 32]) -> [u8; 32] {
        let mut out = *n;
        out[31] += 1;
        out
    }

    #[test]
    fn the_half_order_doubled_is_the_order_less_one() {
        let mut less_one = ORDER;
        less_one[31] -= 1;
        assert_eq!(subtract(&less_one, &HALF_ORDER), HALF_ORDER);
    }

    #[test]
    fn s_is_brought_to_the_lower_half() {
        let rows = [
            (HALF_ORDER, HALF_ORDER),
            (one_more(&HALF_ORDER), HALF_ORDER),
            (subtract(&ORDER, &one_more(&[0; 32])), one_more(&[0; 32])),
        ];
        for (s, verdict) in rows {
            let der = low_s_der(&fixed(7, &s));
            assert_eq!(read(&der), Ok(verdict));
            assert_eq!(check(&der), Ok(()));
        }
    }

    #[test]
    fn each_deviation_from_strict_der_is_refused() {
        let malformed = |what| Err(SignatureRejection::Malformed { what });
        let high = {
            let mut der = vec![0x30, 0x26, 2, 1, 1, 2, 0x21, 0];
            der.extend_from_slice(&subtract(&ORDER, &one_more(&[0; 32])));
            der
        };
        let long = [vec![0x30, 0x26, 2, 1, 1, 2, 0x21, 1], vec![0; 32]].concat();
        let rows: Vec<(Vec<u8>, Result<(), SignatureRejection>)> = vec![
            (vec![0x30, 6, 2, 1, 1, 2, 1, 1], Ok(())),
            (vec![0x30, 7, 2, 1, 1, 2, 2, 0, 0x80], Ok(())),
            (high, Err(SignatureRejection::HighS)),
            (vec![], malformed("it is empty")),
            (vec![0x30], malformed("it is truncated")),
            (vec![0x30, 6, 2, 1, 1, 2, 1], malformed("it is truncated")),
            (vec![0x30, 6, 2, 1, 1, 2, 1, 1, 0], malformed("bytes follow the signature")),
            (vec![0x31, 6, 2, 1, 1, 2, 1, 1], malformed("it is not a DER sequence of two integers")),
            (vec![0x30, 0x81, 6, 2, 1, 1, 2, 1, 1], malformed("it is not a DER sequence of two integers")),
            (vec![0x30, 6, 3, 1, 1, 2, 1, 1], malformed("it is not a DER sequence of two integers")),
            (vec![0x30, 3, 2, 1, 1], malformed("an integer is missing")),
            (vec![0x30, 6, 2, 1, 1, 2, 9, 1], malformed("an integer is truncated")),
            (vec![0x30, 5, 2, 1, 1, 2, 0], malformed("an integer is empty")),
            (vec![0x30, 6, 2, 1, 1, 2, 1, 0x80], malformed("an integer is negative")),
            (vec![0x30, 6, 2, 1, 0, 2, 1, 1], malformed("an integer is zero")),
            (vec![0x30, 7, 2, 1, 1, 2, 2, 0, 1], malformed("an integer is padded")),
            (
                vec![0x30, 9, 2, 1, 1, 2, 1, 1, 2, 1, 1],
                malformed("the sequence holds more than two integers"),
            ),
            (long, malformed("an integer is longer than 256 bits")),
        ];
        for (der, verdict) in rows {
            assert_eq!(check(&der), verdict, "{der:02x?}");
        }
    }

    proptest! {
        #[test]
        fn no_input_panics(der in proptest::collection::vec(any::<u8>(), 0..90)) {
            let _ = check(&der);
        }

        #[test]
        fn what_is_written_reads_back_low(r in 1_u8.., s in proptest::array::uniform32(any::<u8>())) {
            prop_assume!(s != [0; 32] && s < ORDER);
            prop_assert_eq!(check(&low_s_der(&fixed(r, &s))), Ok(()));
        }
    }
}
