//! The byte-level alphabet of GPT-2: every byte is written as one printable character.

/// Characters of the bytes that are not printable themselves start here, in byte order.
const SHIFTED: u32 = 256;

/// Whether a byte stands for itself: printable ASCII and Latin-1.
const fn is_plain(byte: u8) -> bool {
    matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff)
}

/// The byte of each shifted character, in order.
const SHIFTED_BYTES: [u8; 68] = {
    let mut bytes = [0; 68];
    let (mut byte, mut n) = (0u16, 0);
    while byte < 256 {
        if !is_plain(byte as u8) {
            bytes[n] = byte as u8;
            n += 1;
        }
        byte += 1;
    }
    bytes
};

/// The character that writes each byte.
pub(super) const CHARS: [char; 256] = {
    let mut chars = ['\0'; 256];
    let (mut byte, mut n) = (0u16, 0);
    while byte < 256 {
        chars[byte as usize] = if is_plain(byte as u8) {
            byte as u8 as char
        } else {
            n += 1;
            match char::from_u32(SHIFTED + n - 1) {
                Some(c) => c,
                None => panic!("256..324 are characters"),
            }
        };
        byte += 1;
    }
    chars
};

/// The byte that `c` writes, if it is of the alphabet.
pub(super) fn byte_of(c: char) -> Option<u8> {
    match u32::from(c) {
        code @ 0..SHIFTED if is_plain(code as u8) => Some(code as u8),
        code => SHIFTED_BYTES
            .get(code.checked_sub(SHIFTED)? as usize)
            .copied(),
    }
}

/// The bytes that a piece writes; a piece with any character outside the alphabet stands for its own UTF-8.
pub(super) fn decode(piece: &str) -> Vec<u8> {
    piece
        .chars()
        .map(byte_of)
        .collect::<Option<Vec<u8>>>()
        .unwrap_or_else(|| piece.as_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_a_character_of_its_own() {
        for byte in 0..=255u8 {
            assert_eq!(byte_of(CHARS[byte as usize]), Some(byte));
        }
        assert_eq!(CHARS[b' ' as usize], 'Ġ');
        assert_eq!(CHARS[b'\n' as usize], 'Ċ');
        for c in ['\0', ' ', '\u{7f}', '\u{ad}', '\u{144}', '漢'] {
            assert_eq!(byte_of(c), None, "{c:?}");
        }
    }
}
