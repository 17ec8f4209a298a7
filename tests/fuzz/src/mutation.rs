//! Mutations of seeds for a plain `cargo test`: fixed sequences, no coverage, enough to find what lies near a seed.

/// A sequence of numbers that a seed fixes (xorshift64*).
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// The sequence of `seed`.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// The next number.
    pub const fn roll(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `bound`; 0 for a bound of 0.
    pub fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.roll() % bound).unwrap_or_default()
    }
}

/// Bytes that formats give a meaning: ends of ranges, lengths, markers of MessagePack and DER, signs of JSON and YAML.
const TELLING: [u8; 24] = [
    0x00, 0x01, 0x7f, 0x80, 0x90, 0x93, 0xa0, 0xc0, 0xc1, 0xc4, 0xc6, 0xcc, 0xcf, 0xd9, 0xdc, 0xdd, 0xdf,
    0xff, b'"', b'{', b'[', b':', b'&', b'*',
];

/// The longest input that mutations grow to.
const BYTES_MAX: usize = 64 << 10;

/// A seed changed in one to four places; `other` lends bytes.
#[must_use]
pub fn mutate(seed: &[u8], other: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..=dice.below(4) {
        change(&mut bytes, other, dice);
    }
    bytes
}

fn change(bytes: &mut Vec<u8>, other: &[u8], dice: &mut Dice) {
    let at = dice.below(bytes.len() + 1);
    let run = 1 + dice.below(8);
    let end = (at + run).min(bytes.len());
    match dice.below(8) {
        0 => bytes.truncate(at),
        1 => drop(bytes.drain(at..end)),
        2 if bytes.len() < BYTES_MAX => {
            let copied = bytes[at..end].to_vec();
            drop(bytes.splice(at..at, copied));
        }
        3 if bytes.len() < BYTES_MAX => bytes.insert(at, TELLING[dice.below(TELLING.len())]),
        4 => {
            let from = dice.below(other.len() + 1);
            let lent = other[from..].iter().take(run).copied().collect::<Vec<u8>>();
            drop(bytes.splice(at..end, lent));
        }
        kind => {
            let Some(byte) = bytes.get_mut(at) else { return };
            *byte = match kind {
                5 => *byte ^ (1 << dice.below(8)),
                6 => TELLING[dice.below(TELLING.len())],
                _ => byte.wrapping_add(1 + u8::try_from(dice.below(3)).unwrap_or_default()),
            };
        }
    }
}
