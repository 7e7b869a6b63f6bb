//! Replies being made: several at once, each begun, prefilled in slices and stepped token by token, those that are
//! ready together in one forward pass.

use super::Engine;
use super::conversation::Conversation;
use super::engine::POOL;
use super::request::{Begun, Finish, Logprob, Made, Prefilled, Request, Step};
use super::stop::StopTexts;
use crate::error::{Error, Result};
use crate::sampler::{Logprobs, Sampler, logit_bias, mask};
use crate::tokenizer::{StreamDecoder, Tokenizer};
use crate::transformer::{SLICE, Span, kept};

/// Tokens of a prompt's end that [`Begun::tail`] spells out.
const TAIL: usize = 8;

/// One reply being made.
pub(super) struct Reply {
    id: u32,
    /// The prompt and what was made. What is not evaluated of it is to be prefilled, but for the last token made.
    pub conversation: Conversation,
    /// Tokens of the prompt.
    prompt: usize,
    sampler: Sampler,
    logit_bias: Vec<(u32, f32)>,
    logprobs: Option<Logprobs>,
    decoder: StreamDecoder,
    stop: StopTexts,
    ignore_eos: bool,
    /// Tokens that may still be made.
    left: usize,
}

impl Reply {
    /// Tokens that are not evaluated.
    fn pending(&self) -> usize {
        self.conversation.ids.len() - self.conversation.sequence.seen()
    }

    /// Whether its next token can be made: of the tokens made only the last is not evaluated.
    fn is_ready(&self) -> bool {
        match self.pending() {
            0 => true,
            n => n == 1 && self.conversation.ids.len() > self.prompt,
        }
    }

    /// Picks a token by `logits`, which are changed, and makes its text.
    fn choose(
        &mut self,
        tokenizer: &Tokenizer,
        logits: &mut [f32],
        allowed: Option<&[u32]>,
    ) -> Result<Step> {
        if let Some(logprobs) = &mut self.logprobs {
            logprobs.keep(logits);
        }
        logit_bias::apply(&self.logit_bias, logits);
        if let Some(allowed) = allowed
            && !mask::apply(allowed, logits)
        {
            return Err(Error::Grammar {
                what: "no token of this model can go on from here".into(),
            });
        }
        let written = &self.conversation.ids[self.conversation.read..];
        let id = self.sampler.sample(logits, written);
        self.left -= 1;
        let mut step = Step {
            id,
            text: String::new(),
            control: None,
            logprobs: Vec::new(),
            finish: None,
        };
        let ends = !self.ignore_eos && tokenizer.stop_tokens().contains(&id);
        if ends {
            step.text = self.stop.push(&self.decoder.finish()).0 + &self.stop.rest();
            step.finish = Some(Finish::Stop);
        } else {
            if tokenizer.is_control(id) {
                step.control = tokenizer.piece(id).map(str::to_owned);
            }
            let (text, stopped) = self.stop.push(&self.decoder.push(tokenizer, id));
            step.text = text;
            if stopped {
                step.finish = Some(Finish::Stop);
            } else if self.left == 0 {
                let (text, stopped) = self.stop.push(&self.decoder.finish());
                step.text += &text;
                step.finish = Some(if stopped {
                    Finish::Stop
                } else {
                    Finish::Length
                });
                if !stopped {
                    step.text += &self.stop.rest();
                }
            }
        }
        // A stop token is not part of the reply, and neither is its probability.
        if let Some(logprobs) = self.logprobs.as_ref().filter(|_| !ends) {
            let told = core::iter::once((id, logprobs.of(id))).chain(logprobs.top());
            step.logprobs = told
                .map(|(id, logprob)| Logprob {
                    id,
                    // JSON has no −∞; OpenAI writes this for what is impossible.
                    logprob: logprob.max(-9999.0),
                    bytes: tokenizer.spelled(id),
                })
                .collect();
        }
        self.conversation.ids.push(id);
        Ok(step)
    }
}

impl Engine {
    /// Begins a reply beside those under way. What its prompt shares with what is held or under way is not evaluated
    /// again. Nothing changes if this fails.
    pub fn begin(&mut self, request: &Request) -> Result<Begun> {
        request.check()?;
        self.check_writes()?;
        let batch = self.model.config.batch();
        if self.replies.len() >= batch {
            return Err(Error::WrongState {
                what: format!("{batch} replies are under way, as many as this model makes at once"),
            });
        }
        let (mut ids, read) = self.prompt(request)?;
        if let Some(prefix) = &request.prefix {
            let special = crate::tokenizer::Special::Text;
            ids.extend(self.tokenizer.encode(prefix, special)?);
        }
        let context = self.cache.context();
        let keep = self.keeps(request, &ids)?;
        if ids.is_empty() || ids.len() >= context && keep.is_none() {
            return Err(Error::ContextFull {
                prompt: ids.len(),
                context,
            });
        }
        let vocab_size = self.model.config.vocab_size;
        let sampler = Sampler::new(request.params(), vocab_size)?;
        let tail = &ids[ids.len().saturating_sub(TAIL)..];
        let tail: Vec<u8> = tail
            .iter()
            .flat_map(|id| self.tokenizer.spelled(*id))
            .collect();
        let prompt = ids.len();
        // What has no end by itself gets one.
        let room = if keep.is_some() {
            usize::MAX
        } else {
            context - prompt
        };
        let most = request.max_tokens.unwrap_or(context);
        let conversation = self.take_up(ids, keep, read)?;
        let id = self.next_reply;
        self.next_reply = id.wrapping_add(1);
        let begun = Begun {
            reply: id,
            prompt_tokens: prompt,
            cached_tokens: conversation.sequence.seen(),
            tail: String::from_utf8_lossy(&tail).into_owned(),
        };
        self.replies.push(Reply {
            id,
            conversation,
            prompt,
            sampler,
            logit_bias: request.logit_bias.clone(),
            logprobs: request.logprobs.map(|top| Logprobs::new(vocab_size, top)),
            decoder: StreamDecoder::new(),
            stop: StopTexts::new(&request.stop),
            ignore_eos: request.ignore_eos,
            left: most.min(room),
        });
        Ok(begun)
    }

    /// The positions that a reply to the prompt `ids` keeps where it outgrows the context and may go on.
    fn keeps(&self, request: &Request, ids: &[u32]) -> Result<Option<usize>> {
        if !request.shift {
            return Ok(None);
        }
        if !self.model.can_shift() {
            return Err(Error::WrongState {
                what: "this model cannot forget single positions: leave contextOverflow out".into(),
            });
        }
        let wanted = match request.keep_tokens {
            Some(n) => n,
            None => self.system_tokens(request, ids),
        };
        let context = self.cache.context();
        let kept = kept(context, wanted).ok_or_else(|| Error::BadArgument {
            name: "keepTokens".into(),
            found: format!("{wanted} in a context of {context}"),
            expected: "room for two further blocks of 128 tokens: load with a larger contextLength"
                .into(),
        })?;
        Ok(Some(kept))
    }

    /// Tokens that the prompt `ids` begins with as it would if the request had its system message alone.
    fn system_tokens(&self, request: &Request, ids: &[u32]) -> usize {
        let Some([system, ..]) = request.messages.as_deref() else {
            return 0;
        };
        let alone = Request {
            messages: Some(vec![system.clone()]),
            tools: request.tools.clone(),
            now: request.now,
            template_variables: request.template_variables.clone(),
            ..Request::default()
        };
        // Some templates refuse to render it, and then only the first tokens are kept.
        let alone = match system.role == "system" {
            true => self.prompt_ids(&alone).unwrap_or_default(),
            false => Vec::new(),
        };
        let pairs = alone.iter().zip(ids);
        pairs.take_while(|(a, b)| a == b).count()
    }

    /// Where the reply `id` stands among those under way.
    fn find(&self, id: u32) -> Result<usize> {
        let found = self.replies.iter().position(|reply| reply.id == id);
        found.ok_or_else(|| Error::WrongState {
            what: format!("no reply {id} is being made: call begin first"),
        })
    }

    /// Evaluates one slice of a prompt, of at most `most` tokens.
    pub fn prefill(&mut self, id: u32, most: usize) -> Result<Prefilled> {
        let at = self.find(id)?;
        let reply = &mut self.replies[at];
        let all = reply.conversation.ids.len();
        if reply.pending() == 0 {
            if self.fresh == Some(id) {
                return Ok(Prefilled::Done);
            }
            // Its logits have gone: the last token is evaluated again.
            self.cache
                .truncate(&mut reply.conversation.sequence, all - 1);
        } else if reply.is_ready() {
            return Ok(Prefilled::Done);
        }
        let evaluated = reply.conversation.sequence.seen();
        // A shift comes before a token, wherever slices end.
        let room = match self.cache.context() - reply.conversation.sequence.len() {
            0 => SLICE,
            room => room,
        };
        let mut end = (evaluated + most.clamp(1, SLICE).min(room)).min(all);
        if evaluated == 0 && reply.conversation.read > 0 {
            // What an encoder reads comes whole.
            end = reply.conversation.read;
        }
        if self.cache.has_states() {
            // The same prompt may come again, and its last token is always evaluated: there a checkpoint is worth most.
            let last = all - 1;
            match evaluated == last {
                true => self.replies[at].conversation.sequence.checkpoint()?,
                false => end = end.min(last),
            }
        }
        // Out of the list, so that the rest of the engine can be used beside it.
        let mut reply = self.replies.remove(at);
        let roomy = self.reserve(&mut reply.conversation, end - evaluated);
        if roomy {
            let Conversation { ids, sequence, .. } = &mut reply.conversation;
            let wanted = usize::from(end == all);
            self.forward(sequence, &ids[evaluated..end], &[], wanted);
            if end == all {
                self.model.logits(&POOL, &mut self.scratch, 0..1);
                self.fresh = Some(id);
            }
        }
        self.replies.insert(at, reply);
        Ok(match (roomy, end == all) {
            (false, _) => Prefilled::Full,
            (true, false) => Prefilled::More,
            (true, true) => Prefilled::Done,
        })
    }

    /// Makes one token for each of `wanted`, all different and in the order they were begun; with a mask (a bit for each
    /// id, 32 to a word) only one whose bit is set. A reply whose prompt has just been prefilled is stepped alone.
    pub fn step(&mut self, wanted: &[(u32, Option<&[u32]>)]) -> Result<Vec<Made>> {
        let mut places = Vec::with_capacity(wanted.len());
        for (id, _) in wanted {
            let at = self.find(*id)?;
            if !self.replies[at].is_ready() || places.last().is_some_and(|last| *last >= at) {
                return Err(Error::WrongState {
                    what: "a step was asked for before the prompt was evaluated, or out of order"
                        .into(),
                });
            }
            places.push(at);
        }
        if let ([(id, allowed)], [at]) = (wanted, &places[..])
            && self.replies[*at].pending() == 0
        {
            if self.fresh != Some(*id) {
                return Err(Error::WrongState {
                    what: "something else was computed between a prompt and its first token".into(),
                });
            }
            return Ok(vec![self.sampled(*at, 0, *allowed)]);
        }
        if places.iter().any(|at| self.replies[*at].pending() == 0) {
            return Err(Error::WrongState {
                what: "the first token after a prompt is made alone".into(),
            });
        }
        let paused = self.reserve_steps(&places);
        self.forward_steps(&places[..places.len() - paused]);
        let mut made = Vec::with_capacity(wanted.len());
        let mut gone = 0;
        for (row, (at, (_, allowed))) in places.iter().zip(wanted).enumerate() {
            if row + paused >= places.len() {
                made.push(Made::Paused);
                continue;
            }
            let before = self.replies.len();
            made.push(self.sampled(at - gone, row, *allowed));
            gone += before - self.replies.len();
        }
        Ok(made)
    }

    /// Room for a further token of each of the replies at `places`. Where there is none, the youngest replies of all
    /// lose their memory; how many of these are at the end of `places`.
    fn reserve_steps(&mut self, places: &[usize]) -> usize {
        let mut kept = places.len();
        let mut youngest = self.replies.len();
        let mut next = 0;
        while next < kept {
            let at = places[next];
            let mut reply = self.replies.remove(at);
            let roomy = self.reserve(&mut reply.conversation, 1);
            self.replies.insert(at, reply);
            if roomy {
                next += 1;
                continue;
            }
            youngest -= 1;
            assert!(
                youngest > 0,
                "one conversation alone has room for its context"
            );
            let sequence = &mut self.replies[youngest].conversation.sequence;
            self.cache.truncate(sequence, 0);
            if places[kept - 1] == youngest {
                kept -= 1;
            }
        }
        places.len() - kept
    }

    /// Evaluates the last tokens of the replies at `places` together.
    fn forward_steps(&mut self, places: &[usize]) {
        self.fresh = None;
        let mut spans = Vec::with_capacity(places.len());
        for (at, reply) in self.replies.iter_mut().enumerate() {
            if places.contains(&at) {
                let Conversation { ids, sequence, .. } = &mut reply.conversation;
                let tokens = &ids[ids.len() - 1..];
                spans.push(Span {
                    sequence,
                    tokens,
                    ends: &[],
                    wanted: 1,
                });
            }
        }
        let (cache, scratch) = (&mut self.cache, &mut self.scratch);
        self.model.forward(&POOL, cache, scratch, &mut spans);
        self.model.logits(&POOL, scratch, 0..places.len());
    }

    /// The next token of the reply at `at`, by row `row` of the logits.
    fn sampled(&mut self, at: usize, row: usize, allowed: Option<&[u32]>) -> Made {
        self.fresh = None;
        let vocab_size = self.model.config.vocab_size;
        let logits = self.scratch.logits_mut(row, vocab_size);
        let step = self.replies[at].choose(&self.tokenizer, logits, allowed);
        if !matches!(&step, Ok(Step { finish: None, .. })) {
            let reply = self.replies.remove(at);
            self.keep(reply.conversation);
        }
        match step {
            Ok(step) => Made::Token(step),
            Err(error) => Made::Failed(error),
        }
    }

    /// The next token of a reply that is the only one under way.
    pub fn decode(&mut self, id: u32) -> Result<Step> {
        match self.step(&[(id, None)])?.pop() {
            Some(Made::Token(step)) => Ok(step),
            Some(Made::Failed(error)) => Err(error),
            Some(Made::Paused) | None => Err(Error::WrongState {
                what: "another reply is under way: make steps of both".into(),
            }),
        }
    }

    /// Ends a reply, if it is still under way. What was evaluated stays held.
    pub fn end(&mut self, id: u32) {
        if let Ok(at) = self.find(id) {
            let reply = self.replies.remove(at);
            self.keep(reply.conversation);
        }
    }
}
