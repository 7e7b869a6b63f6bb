//! Turns tokens into text one at a time: only whole characters come out.

use super::Tokenizer;

/// The bytes of tokens seen so far that are not yet a whole character.
#[derive(Debug, Clone, Default)]
pub struct StreamDecoder {
    /// At most three bytes: the start of one character.
    pending: Vec<u8>,
    /// Whether any text has come out.
    started: bool,
}

impl StreamDecoder {
    /// Nothing pending.
    pub fn new() -> StreamDecoder {
        StreamDecoder::default()
    }

    /// The text that `id` completes; bytes that can never become a character come out as U+FFFD.
    pub fn push(&mut self, tokenizer: &Tokenizer, id: u32) -> String {
        self.pending.extend(tokenizer.bytes(id));
        let held = unfinished_tail(&self.pending);
        let rest = self.pending.split_off(self.pending.len() - held);
        let whole = core::mem::replace(&mut self.pending, rest);
        let mut text = String::from_utf8_lossy(&whole).into_owned();
        if !self.started && tokenizer.starts_with_space() && text.starts_with(' ') {
            text.remove(0);
            self.started = true;
        }
        self.started |= !text.is_empty();
        text
    }

    /// What is left at the end: U+FFFD for an unfinished character.
    pub fn finish(&mut self) -> String {
        String::from_utf8_lossy(&core::mem::take(&mut self.pending)).into_owned()
    }
}

/// How many bytes at the end of `bytes` are a valid but unfinished start of a character.
fn unfinished_tail(bytes: &[u8]) -> usize {
    match bytes.utf8_chunks().last() {
        Some(chunk) if !chunk.invalid().is_empty() => {
            let tail = chunk.invalid();
            // The same bytes are only "unexpected end of input" if more bytes could complete them.
            match core::str::from_utf8(tail) {
                Err(error) if error.error_len().is_none() => tail.len(),
                _ => 0,
            }
        }
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::unfinished_tail;

    #[test]
    fn holds_back_only_what_may_become_a_character() {
        for (bytes, held) in [
            (&b""[..], 0),
            (b"abc", 0),
            ("né".as_bytes(), 0),
            (&[b'a', 0xc3], 1),
            (&[0xf0, 0x9f, 0x98], 3),
            (&[0xff], 0),
            (&[0xe2, 0x82, b'a'], 0),
            (&[0xff, 0xe2, 0x82], 2),
            (&[0xed, 0xa0], 0),
        ] {
            assert_eq!(unfinished_tail(bytes), held, "{bytes:02x?}");
        }
    }
}
