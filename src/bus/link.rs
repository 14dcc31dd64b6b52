//! The id in a mailed link.
//!
//! It names the accept page and opens nothing, that takes the secret behind it; still nobody is to
//! find one by trying. Its first four bytes are the second it was made in, so that new links stand
//! side by side in the views' index and not all over it; the other 90 bits are random. What that
//! tells is when the mail was asked for, to those who have the mail. (RFC 9562, version 8;
//! decision 0024.)

use domain::Timestamp;
use uuid::{Builder, Uuid};

const MICROS_PER_S: i64 = 1_000_000;

/// A new one; `random` is to be from a generator that nobody can predict.
pub(super) fn link(now: Timestamp, random: u128) -> Uuid {
    // The low 32 bits: after 2106 the order begins anew, and that is all.
    let [.., a, b, c, d] = now.0.div_euclid(MICROS_PER_S).to_be_bytes();
    let mut bytes = random.to_be_bytes();
    bytes[..4].copy_from_slice(&[a, b, c, d]);
    Builder::from_custom_bytes(bytes).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Timestamp = Timestamp(1_767_225_600_000_000);

    #[test]
    fn links_of_a_later_second_stand_behind() {
        let next = Timestamp(SECOND.0 + MICROS_PER_S);
        assert!(link(SECOND, u128::MAX) < link(next, 0));
        assert_eq!(link(SECOND, 0).to_string(), "6955b900-0000-8000-8000-000000000000");
        assert_eq!(link(SECOND, u128::MAX).to_string(), "6955b900-ffff-8fff-bfff-ffffffffffff");
    }

    #[test]
    fn ninety_bits_are_chance() {
        let chance = link(SECOND, 0).as_u128() ^ link(SECOND, u128::MAX).as_u128();
        assert_eq!(chance.count_ones(), 90);
    }
}
