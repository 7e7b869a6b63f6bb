//! What an engine holds between replies: texts with their place in the KV cache, shared where they begin alike, the
//! least recently used leaving first; and one of them as bytes, to be kept elsewhere.

use super::Engine;
use super::engine::POOL;
use crate::error::{Error, Result};
use crate::transformer::{Sequence, Span};

/// What a saved state starts with, and its version.
const STATE: [u8; 8] = *b"smidgen1";

/// Conversations held at most: each is compared with every prompt.
const MAX_HELD: usize = 64;

/// A text and what was evaluated of it.
pub(super) struct Conversation {
    /// Of a reply under way, also those that are not evaluated yet.
    pub ids: Vec<u32>,
    pub sequence: Sequence,
}

impl Conversation {
    /// How much of it stands at the beginning of `ids`, evaluated.
    fn shares(&self, ids: &[u32]) -> usize {
        let evaluated = &self.ids[..self.sequence.len()];
        let pairs = evaluated.iter().zip(ids);
        pairs.take_while(|(a, b)| a == b).count()
    }
}

impl Engine {
    /// A conversation about `ids`, of which as much is evaluated as is held of their beginning (never all: the last
    /// token's logits are wanted).
    pub(super) fn take_up(&mut self, ids: Vec<u32>) -> Result<Conversation> {
        let wanted = &ids[..ids.len() - 1];
        let held = self.held.iter().map(|c| c.shares(wanted));
        let (at, shared) = best(held);
        if self.cache.has_states() {
            // There is one conversation, and its states are turned back.
            let mut conversation = self.last_held()?;
            self.cache.truncate(&mut conversation.sequence, shared);
            conversation.ids = ids;
            return Ok(conversation);
        }
        let running = self.replies.iter().map(|r| r.conversation.shares(wanted));
        let (beside, running) = best(running);
        if running > shared {
            let from = &self.replies[beside].conversation.sequence;
            let sequence = self.cache.fork(from, running)?;
            return Ok(Conversation { ids, sequence });
        }
        if shared == 0 {
            let sequence = self.cache.sequence()?;
            return Ok(Conversation { ids, sequence });
        }
        let mut from = self.held.remove(at);
        // Its rest is kept where there is memory for both, and not at the cost of another conversation.
        if shared == from.sequence.len() || self.cache.free_blocks() == 0 {
            self.cache.truncate(&mut from.sequence, shared);
            from.ids = ids;
            return Ok(from);
        }
        let sequence = self.cache.fork(&from.sequence, shared);
        self.held.push(from);
        Ok(Conversation {
            ids,
            sequence: sequence?,
        })
    }

    /// The conversation held last, or a new one.
    fn last_held(&mut self) -> Result<Conversation> {
        match self.held.pop() {
            Some(conversation) => Ok(conversation),
            None => Ok(Conversation {
                ids: Vec::new(),
                sequence: self.cache.sequence()?,
            }),
        }
    }

    /// An empty conversation with room for `ids`, which it is about.
    pub(super) fn roomy(&mut self, ids: &[u32]) -> Result<Conversation> {
        let mut conversation = if self.cache.has_states() {
            let mut conversation = self.last_held()?;
            self.cache.truncate(&mut conversation.sequence, 0);
            conversation
        } else {
            Conversation {
                ids: Vec::new(),
                sequence: self.cache.sequence()?,
            }
        };
        conversation.ids = ids.to_vec();
        if self.make_room(&mut conversation.sequence, ids.len()) {
            return Ok(conversation);
        }
        self.cache.release(conversation.sequence);
        Err(Error::WrongState {
            what: "replies under way hold all of the KV cache: end one first".into(),
        })
    }

    /// Room for `n` further positions of `sequence`, for which conversations that are only held go.
    pub(super) fn make_room(&mut self, sequence: &mut Sequence, n: usize) -> bool {
        while !self.cache.reserve(sequence, n) {
            if self.held.is_empty() {
                return false;
            }
            let oldest = self.held.remove(0);
            self.cache.release(oldest.sequence);
        }
        true
    }

    /// Evaluates `tokens` (at most a slice) behind `sequence`, which has room for them.
    pub(super) fn forward(&mut self, sequence: &mut Sequence, tokens: &[u32]) {
        self.forward_texts(sequence, tokens, &[]);
    }

    /// The same for several texts, each ending where `ends` says, in an empty `sequence`.
    pub(super) fn forward_texts(
        &mut self,
        sequence: &mut Sequence,
        tokens: &[u32],
        ends: &[usize],
    ) {
        self.fresh = None;
        let mut spans = [Span {
            sequence,
            tokens,
            ends,
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
            let read = conversation.ids.len().min(conversation.sequence.len());
            self.cache.truncate(&mut conversation.sequence, read);
        }
        conversation.ids.truncate(conversation.sequence.len());
        let mut i = 0;
        while i < self.held.len() {
            let known = conversation.ids.starts_with(&self.held[i].ids);
            if known || self.held.len() >= MAX_HELD {
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
        let mut out = Vec::new();
        out.extend(STATE);
        out.extend(self.fingerprint().to_le_bytes());
        let Some(Conversation { ids, sequence }) = self.held.last() else {
            out.extend(0u32.to_le_bytes());
            out.resize(out.len() + self.cache.saved_bytes(0) as usize, 0);
            return out;
        };
        out.reserve_exact(4 * ids.len() + 4 + self.cache.saved_bytes(ids.len()) as usize);
        out.extend((ids.len() as u32).to_le_bytes());
        out.extend(ids.iter().flat_map(|id| id.to_le_bytes()));
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
            .split_at_checked(STATE.len() + 12)
            .ok_or_else(|| refused("too short"))?;
        let head = head
            .strip_prefix(&STATE)
            .ok_or_else(|| refused("something else"))?;
        let (fingerprint, count) = head.split_at(8);
        if fingerprint != self.fingerprint().to_le_bytes() {
            return Err(refused("of another model"));
        }
        let count = u32::from_le_bytes(count.try_into().expect("four bytes")) as usize;
        let (ids, cache) = count
            .checked_mul(4)
            .and_then(|bytes| rest.split_at_checked(bytes))
            .ok_or_else(|| refused("cut short"))?;
        let ids: Vec<u32> = ids
            .chunks_exact(4)
            .map(|b| u32::from_le_bytes(b.try_into().expect("four bytes")))
            .collect();
        self.check_ids(&ids)?;
        if count > self.cache.context() || cache.len() as u64 != self.cache.saved_bytes(count) {
            return Err(refused("of another size"));
        }
        let mut conversation = self.roomy(&ids)?;
        self.cache.restore(&mut conversation.sequence, count, cache);
        self.keep(conversation);
        Ok(count)
    }

    /// Tells models apart whose states look alike: FNV-1a over what is known of this one.
    fn fingerprint(&self) -> u64 {
        let i = &self.info;
        let known = format!(
            "{}\n{}\n{}\n{}\n{}\n{}",
            i.name, i.architecture, i.format, i.parameters, i.vocab_size, i.layers
        );
        known.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        })
    }
}

/// Which of `shares` is the largest, the latest of several, and how large.
fn best(shares: impl Iterator<Item = usize>) -> (usize, usize) {
    let shares = shares.enumerate();
    shares.max_by_key(|(_, n)| *n).unwrap_or_default()
}
