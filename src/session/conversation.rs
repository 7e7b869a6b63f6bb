//! What an engine holds between replies: texts with their place in the KV cache, shared where they begin alike, the
//! least recently used leaving first; and one of them as bytes, to be kept elsewhere.

use super::engine::POOL;
use super::{CacheFormat, Engine};
use crate::error::{Error, Result};
use crate::transformer::{Cache, Sequence, Span};

/// What a saved state starts with, and its version: in the second, marks of what is gone follow the ids.
const STATES: [[u8; 8]; 2] = [*b"smidgen1", *b"smidgen2"];

/// Conversations held at most: each is compared with every prompt.
const MAX_HELD: usize = 64;

/// A text and what was evaluated of it.
pub(super) struct Conversation {
    /// Of a reply under way, also those that are not evaluated yet.
    pub ids: Vec<u32>,
    /// How many of the first ones an encoder reads, as a whole.
    pub read: usize,
    pub sequence: Sequence,
    /// Where it outgrows the context, these first positions are kept and the oldest others forgotten.
    pub keep: Option<usize>,
}

impl Conversation {
    /// How much of it stands at the beginning of `ids`, evaluated as it would be for a text that keeps `keep` positions
    /// and of which an encoder reads the first `read`.
    fn shares(&self, cache: &Cache, ids: &[u32], keep: Option<usize>, read: usize) -> usize {
        if self.read != read {
            return 0;
        }
        let evaluated = &self.ids[..self.sequence.seen()];
        let pairs = evaluated.iter().zip(ids);
        let alike = pairs.take_while(|(a, b)| a == b).count();
        match self.sequence.kept() {
            // What was evaluated after the first shift is of another text.
            Some(kept) if keep != Some(kept) => cache.reach(&self.sequence, alike.min(kept)),
            _ => cache.reach(&self.sequence, alike),
        }
    }
}

impl Engine {
    /// A conversation about `ids`, of which as much is evaluated as is held of their beginning (never all: the last
    /// token's logits are wanted).
    pub(super) fn take_up(
        &mut self,
        ids: Vec<u32>,
        keep: Option<usize>,
        read: usize,
    ) -> Result<Conversation> {
        let (cache, wanted) = (&self.cache, &ids[..ids.len() - 1]);
        let shares = |c: &Conversation| c.shares(cache, wanted, keep, read);
        let held = self.held.iter().map(shares);
        let (at, shared) = best(held);
        if self.cache.has_states() {
            // There is one conversation, and its states are turned back.
            let mut conversation = self.last_held()?;
            self.cache.truncate(&mut conversation.sequence, shared);
            conversation.ids = ids;
            return Ok(conversation);
        }
        let running = self.replies.iter().map(|r| &r.conversation);
        let (beside, running) = best(running.map(shares));
        let sequence = if running > shared {
            let from = &self.replies[beside].conversation.sequence;
            self.cache.fork(from, running)?
        } else if shared == 0 {
            self.cache.sequence()?
        } else {
            let mut from = self.held.remove(at);
            // Its rest is kept where there is memory for both, and not at the cost of another conversation.
            if shared == from.sequence.seen() || self.cache.is_full() {
                self.cache.truncate(&mut from.sequence, shared);
                from.sequence
            } else {
                let fork = self.cache.fork(&from.sequence, shared);
                self.held.push(from);
                fork?
            }
        };
        Ok(Conversation {
            ids,
            read,
            sequence,
            keep,
        })
    }

    /// The conversation held last, or a new one.
    fn last_held(&mut self) -> Result<Conversation> {
        match self.held.pop() {
            Some(conversation) => Ok(conversation),
            None => Ok(Conversation {
                ids: Vec::new(),
                read: 0,
                sequence: self.cache.sequence()?,
                keep: None,
            }),
        }
    }

    /// An empty conversation about `ids`, the first `read` of which an encoder reads.
    pub(super) fn about(&mut self, ids: &[u32], read: usize) -> Result<Conversation> {
        let mut conversation = if self.cache.has_states() {
            let mut conversation = self.last_held()?;
            self.cache.truncate(&mut conversation.sequence, 0);
            conversation
        } else {
            Conversation {
                ids: Vec::new(),
                read,
                sequence: self.cache.sequence()?,
                keep: None,
            }
        };
        conversation.ids = ids.to_vec();
        Ok(conversation)
    }

    /// Takes memory from what is only held until there is `enough`: first what windows have left behind, then whole
    /// conversations, the least recently used first.
    pub(super) fn make_room(&mut self, enough: &mut dyn FnMut(&mut Cache) -> bool) -> bool {
        if enough(&mut self.cache) {
            return true;
        }
        let running = self.replies.iter_mut().map(|r| &mut r.conversation);
        for conversation in self.held.iter_mut().chain(running) {
            self.cache.trim(&mut conversation.sequence);
        }
        while !enough(&mut self.cache) {
            if self.held.is_empty() {
                return false;
            }
            let oldest = self.held.remove(0);
            self.cache.release(oldest.sequence);
        }
        true
    }

    /// Room for `n` further positions (at most a slice) of `conversation`, which is not among those held. Where its
    /// context is full, it is shifted.
    pub(super) fn reserve(&mut self, conversation: &mut Conversation, n: usize) -> bool {
        let sequence = &mut conversation.sequence;
        if let Some(keep) = conversation.keep
            && sequence.len() + n > self.cache.context()
        {
            if !self.make_room(&mut |cache| cache.claim(sequence, keep)) {
                return false;
            }
            self.model
                .shift(&mut self.cache, &self.scratch, sequence, keep);
        }
        self.make_room(&mut |cache| cache.reserve(sequence, n))
    }

    /// Evaluates the next `tokens` (at most a slice) of `conversation`, or of several texts that end where `ends` says;
    /// fails where replies under way leave no room for that.
    pub(super) fn read_on(
        &mut self,
        conversation: &mut Conversation,
        tokens: &[u32],
        ends: &[usize],
    ) -> Result<()> {
        if !self.reserve(conversation, tokens.len()) {
            return Err(no_room());
        }
        self.forward(&mut conversation.sequence, tokens, ends, tokens.len());
        Ok(())
    }

    /// Evaluates `tokens` (at most a slice) behind `sequence`, which has room for them; those of several texts, each
    /// ending where `ends` says, in an empty one. Results are there of the last `wanted`.
    pub(super) fn forward(
        &mut self,
        sequence: &mut Sequence,
        tokens: &[u32],
        ends: &[usize],
        wanted: usize,
    ) {
        self.fresh = None;
        let mut spans = [Span {
            sequence,
            tokens,
            ends,
            wanted,
        }];
        self.model
            .forward(&POOL, &mut self.cache, &mut self.scratch, &mut spans);
    }

    /// Holds what was evaluated of `conversation`, in the place of what says no more.
    pub(super) fn keep(&mut self, mut conversation: Conversation) {
        if self.cache.has_states() {
            if conversation.ids.is_empty() {
                self.cache.truncate(&mut conversation.sequence, 0);
            }
        } else {
            let read = conversation.ids.len();
            self.cache.truncate(&mut conversation.sequence, read);
        }
        conversation.ids.truncate(conversation.sequence.seen());
        let mut i = 0;
        while i < self.held.len() {
            let known = &self.held[i].ids;
            let says_no_more = conversation.ids.starts_with(known)
                && self.cache.reach(&conversation.sequence, known.len()) == known.len();
            if says_no_more || self.held.len() >= MAX_HELD {
                let other = self.held.remove(i);
                self.cache.release(other.sequence);
            } else {
                i += 1;
            }
        }
        if conversation.ids.is_empty() && !self.cache.has_states() {
            self.cache.release(conversation.sequence);
        } else {
            self.held.push(conversation);
        }
    }

    /// Forgets everything evaluated, and ends all replies.
    pub fn reset(&mut self) {
        let replies = self.replies.drain(..).map(|r| r.conversation);
        let all = replies.chain(self.held.drain(..));
        for conversation in all {
            self.cache.release(conversation.sequence);
        }
        self.fresh = None;
    }

    /// The conversation used last, to be taken up by [`Engine::restore`] of the same model: a head, the ids, the KV
    /// cache.
    pub fn save(&self) -> Vec<u8> {
        let empty = self.cache.sequence();
        let (ids, sequence) = match (self.held.last(), &empty) {
            (Some(Conversation { ids, sequence, .. }), _) => (&ids[..], sequence),
            (None, Ok(empty)) => (&[][..], empty),
            (None, Err(_)) => return Vec::new(),
        };
        let mut marks = self.cache.marks(sequence);
        let bytes = self.cache.saved_bytes(ids.len(), &marks).unwrap_or(0);
        let version = usize::from(marks.iter().any(|mark| *mark > 0));
        if version == 0 {
            marks.clear();
        }
        let mut out = Vec::new();
        out.reserve_exact(STATES[0].len() + 12 + 4 * (ids.len() + marks.len()) + bytes as usize);
        out.extend(STATES[version]);
        out.extend(self.fingerprint().to_le_bytes());
        out.extend((ids.len() as u32).to_le_bytes());
        let words = ids.iter().chain(&marks);
        out.extend(words.flat_map(|word| word.to_le_bytes()));
        self.cache.save(sequence, &mut out);
        out
    }

    /// Takes up what [`Engine::save`] wrote, beside what is held; how many tokens that is. Nothing changes if this
    /// fails, but that other conversations may have gone to make room.
    pub fn restore(&mut self, state: &[u8]) -> Result<usize> {
        let refused = |found: &str| Error::BadArgument {
            name: "state".into(),
            found: found.into(),
            expected: "what save returned for this model, with a context at least as long".into(),
        };
        let (head, rest) = state
            .split_at_checked(STATES[0].len() + 12)
            .ok_or_else(|| refused("too short"))?;
        let (magic, head) = head.split_at(STATES[0].len());
        let version = STATES.iter().position(|known| known == magic);
        let version = version.ok_or_else(|| refused("something else"))?;
        let (fingerprint, count) = head.split_at(8);
        if fingerprint != self.fingerprint().to_le_bytes() {
            return Err(refused("of another model or cacheFormat"));
        }
        let count = u32::from_le_bytes(count.try_into().expect("four bytes")) as usize;
        let n_marks = self.cache.n_marks();
        let words = count.checked_add(version * n_marks);
        let (words, cache) = words
            .and_then(|words| words.checked_mul(4))
            .and_then(|bytes| rest.split_at_checked(bytes))
            .ok_or_else(|| refused("cut short"))?;
        let mut ids: Vec<u32> = words
            .chunks_exact(4)
            .map(|b| u32::from_le_bytes(b.try_into().expect("four bytes")))
            .collect();
        let mut marks = ids.split_off(count);
        marks.resize(n_marks, 0);
        self.check_ids(&ids)?;
        if self.cache.saved_bytes(count, &marks) != Some(cache.len() as u64) {
            return Err(refused("of another size"));
        }
        let mut conversation = self.about(&ids, 0)?;
        let sequence = &mut conversation.sequence;
        if !self.make_room(&mut |cache| cache.reserve_saved(sequence, count, &marks)) {
            self.cache.release(conversation.sequence);
            return Err(no_room());
        }
        self.cache.restore(sequence, count, &marks, cache);
        conversation.read = conversation.sequence.read();
        self.keep(conversation);
        Ok(count)
    }

    /// Tells models apart whose states look alike: FNV-1a over what is known of this one.
    fn fingerprint(&self) -> u64 {
        let i = &self.info;
        let mut known = format!(
            "{}\n{}\n{}\n{}\n{}\n{}",
            i.name, i.architecture, i.format, i.parameters, i.vocab_size, i.layers
        );
        known += match self.cache.format() {
            CacheFormat::Q16_0 => "\nq16_0",
            CacheFormat::F16 => "",
            CacheFormat::Q8_0 => "\nq8_0",
        };
        known.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        })
    }
}

fn no_room() -> Error {
    Error::WrongState {
        what: "replies under way hold all of the KV cache: end one first".into(),
    }
}

/// Which of `shares` is the largest, the latest of several, and how large.
fn best(shares: impl Iterator<Item = usize>) -> (usize, usize) {
    let shares = shares.enumerate();
    shares.max_by_key(|(_, n)| *n).unwrap_or_default()
}
