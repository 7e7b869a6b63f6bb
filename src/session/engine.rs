//! A loaded model with one conversation's state.

use super::MemoryPlan;
use super::fidelity::{self, Fidelity};
use super::request::{Begun, Finish, Info, Logprob, Request, Step};
use super::stop::StopTexts;
use crate::chat::{Message, RenderOptions, Template};
use crate::error::{Error, Result};
use crate::kernels::pool::Pool;
use crate::sampler::{Logprobs, Sampler, logit_bias, mask};
use crate::tensor::zeroed;
use crate::tokenizer::{Special, StreamDecoder, Tokenizer};
use crate::transformer::{Cache, Importance, Model, SLICE, Scratch};

/// The threads of this process. One engine computes at a time in each.
pub static POOL: Pool = Pool::new();

/// What a saved state starts with, and its version.
const STATE: [u8; 8] = *b"smidgen1";

/// Tokens of a prompt's end that [`Begun::tail`] spells out.
const TAIL: usize = 8;

/// Positions whose logits [`Engine::evaluate`] holds at once.
const AT_ONCE: usize = 16;

/// A model that answers.
pub struct Engine {
    pub(super) model: Model,
    pub(super) tokenizer: Tokenizer,
    template: Template,
    pub(super) cache: Cache,
    pub(super) scratch: Scratch,
    /// The ids whose keys and values are in the cache.
    pub(super) held: Vec<u32>,
    pub(super) generation: Option<Generation>,
    info: Info,
}

/// One reply being made.
pub(super) struct Generation {
    sampler: Sampler,
    logit_bias: Vec<(u32, f32)>,
    logprobs: Option<Logprobs>,
    decoder: StreamDecoder,
    stop: StopTexts,
    ignore_eos: bool,
    /// Prompt ids that are not in the cache yet.
    pending: Vec<u32>,
    /// Of these, evaluated.
    evaluated: usize,
    /// Tokens that may still be made.
    left: usize,
    /// The last token made, not yet evaluated.
    last: Option<u32>,
}

impl Engine {
    #[allow(clippy::too_many_arguments)]
    pub(super) fn new(
        model: Model,
        tokenizer: Tokenizer,
        template: Template,
        plan: MemoryPlan,
        name: String,
        architecture: &str,
        format: &str,
        parameters: u64,
    ) -> Result<Engine> {
        let cache = Cache::new(&model.config, plan.context_length)?;
        let scratch = Scratch::new(&model, plan.context_length)?;
        let info = Info {
            name,
            architecture: architecture.to_owned(),
            format: format.to_owned(),
            parameters,
            context_length: plan.context_length,
            max_context_length: model.config.max_seq_len,
            vocab_size: model.config.vocab_size,
            layers: model.config.blocks.len(),
            flavour: format!("{:?}", model.isa).to_lowercase(),
            threads: 1,
            plan,
            template_warning: template.warning().map(str::to_owned),
        };
        let held = Vec::with_capacity(cache.context());
        Ok(Engine {
            model,
            tokenizer,
            template,
            cache,
            scratch,
            held,
            generation: None,
            info,
        })
    }

    /// What is loaded.
    pub fn info(&self) -> Info {
        Info {
            threads: POOL.threads(),
            ..self.info.clone()
        }
    }

    /// The tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// Asks for `n` threads.
    pub fn set_threads(&self, n: usize) {
        POOL.set_threads(n);
    }

    /// Messages → prompt text.
    pub fn apply_template(
        &self,
        messages: &[Message],
        add_generation_prompt: bool,
    ) -> Result<String> {
        let options = RenderOptions {
            add_generation_prompt,
            ..RenderOptions::default()
        };
        self.render(messages, &options)
    }

    /// Messages, tools and variables → prompt text.
    pub fn render(&self, messages: &[Message], options: &RenderOptions) -> Result<String> {
        let prompt = self.template.render(&self.tokenizer, messages, options)?;
        Ok(prompt.text)
    }

    /// The model's chat template as it is rendered.
    pub fn template(&self) -> &Template {
        &self.template
    }

    /// The vocabulary for `grammar::Vocabulary`.
    pub fn vocabulary(&self) -> Vec<u8> {
        let tokens = self.model.config.vocab_size;
        let stops = self.tokenizer.stop_tokens();
        let mut packed = Vec::with_capacity(tokens * 12);
        let words = [tokens as u32, stops.len() as u32];
        for word in words.iter().chain(stops) {
            packed.extend(word.to_le_bytes());
        }
        for id in 0..tokens as u32 {
            let control = u32::from(self.tokenizer.is_control(id)) << 31;
            let bytes = self.spelled(id);
            packed.extend((bytes.len() as u32 | control).to_le_bytes());
            packed.extend(bytes);
        }
        packed
    }

    /// The bytes of a token, a control token's name.
    fn spelled(&self, id: u32) -> Vec<u8> {
        match self.tokenizer.is_control(id) {
            true => self.tokenizer.piece(id).unwrap_or_default().into(),
            false => self.tokenizer.bytes(id),
        }
    }

    fn prompt_ids(&self, request: &Request) -> Result<Vec<u32>> {
        if let Some(messages) = &request.messages {
            let options = RenderOptions {
                tools: request.tools.clone(),
                now: request.now,
                variables: request.template_variables.clone(),
                ..RenderOptions::default()
            };
            return Ok(self
                .template
                .render(&self.tokenizer, messages, &options)?
                .ids);
        }
        let mut ids = match &request.prompt {
            Some(text) => {
                let mut ids = self.tokenizer.encode(text, Special::Parse)?;
                if self.tokenizer.add_bos()
                    && let Some(bos) = self.tokenizer.bos()
                    && ids.first() != Some(&bos)
                {
                    ids.insert(0, bos);
                }
                ids
            }
            None => request.ids.clone().unwrap_or_default(),
        };
        self.check_ids(&ids)?;
        if ids.is_empty() {
            ids.extend(self.tokenizer.bos().or(self.tokenizer.eos()));
        }
        Ok(ids)
    }

    /// Refuses to go on with texts where tokens see those after them.
    fn check_causal(&self) -> Result<()> {
        if self.model.config.is_causal() {
            return Ok(());
        }
        Err(Error::WrongState {
            what: "this model reads texts and cannot write: embed, classify, rerank or fill masks with it"
                .into(),
        })
    }

    pub(super) fn check_ids(&self, ids: &[u32]) -> Result<()> {
        match ids
            .iter()
            .find(|id| **id as usize >= self.model.config.vocab_size)
        {
            Some(id) => Err(Error::BadArgument {
                name: "ids".into(),
                found: id.to_string(),
                expected: format!("below {}", self.model.config.vocab_size),
            }),
            None => Ok(()),
        }
    }

    /// Begins a reply. What the prompt shares with the cache is kept; nothing changes if this fails.
    pub fn begin(&mut self, request: &Request) -> Result<Begun> {
        request.check()?;
        self.check_causal()?;
        let mut ids = self.prompt_ids(request)?;
        if let Some(prefix) = &request.prefix {
            ids.extend(self.tokenizer.encode(prefix, Special::Text)?);
        }
        let context = self.cache.context();
        if ids.is_empty() || ids.len() >= context {
            return Err(Error::ContextFull {
                prompt: ids.len(),
                context,
            });
        }
        let sampler = Sampler::new(request.params(), self.model.config.vocab_size)?;
        // The last token is always evaluated: its logits are wanted.
        let shared = self
            .held
            .iter()
            .zip(&ids[..ids.len() - 1])
            .take_while(|(a, b)| a == b)
            .count();
        let shared = self.cache.truncate(shared);
        self.held.truncate(shared);
        let tail = &ids[ids.len().saturating_sub(TAIL)..];
        let tail: Vec<u8> = tail.iter().flat_map(|id| self.spelled(*id)).collect();
        let begun = Begun {
            prompt_tokens: ids.len(),
            cached_tokens: shared,
            tail: String::from_utf8_lossy(&tail).into_owned(),
        };
        let room = context - ids.len();
        self.generation = Some(Generation {
            sampler,
            logit_bias: request.logit_bias.clone(),
            logprobs: request
                .logprobs
                .map(|top| Logprobs::new(self.model.config.vocab_size, top)),
            decoder: StreamDecoder::new(),
            stop: StopTexts::new(&request.stop),
            ignore_eos: request.ignore_eos,
            pending: ids[shared..].to_vec(),
            evaluated: 0,
            left: request.max_tokens.map_or(room, |n| n.min(room)),
            last: None,
        });
        Ok(begun)
    }

    /// Evaluates one slice of the prompt, of at most `most` tokens; whether all of it is evaluated.
    pub fn prefill(&mut self, most: usize) -> Result<bool> {
        let g = self.generation.as_mut().ok_or_else(no_generation)?;
        let mut end = (g.evaluated + most.clamp(1, SLICE)).min(g.pending.len());
        if self.cache.has_states() && g.evaluated < g.pending.len() {
            // The same prompt may come again, and its last token is always evaluated: there a checkpoint is worth most.
            let last = g.pending.len() - 1;
            match g.evaluated == last {
                true => self.cache.checkpoint()?,
                false => end = end.min(last),
            }
        }
        let slice = &g.pending[g.evaluated..end];
        if !slice.is_empty() {
            self.model
                .forward(&POOL, &mut self.cache, &mut self.scratch, slice);
            self.held.extend_from_slice(slice);
            g.evaluated += slice.len();
            if g.evaluated == g.pending.len() {
                let last = slice.len() - 1;
                self.model.logits(&POOL, &mut self.scratch, last);
            }
        }
        Ok(g.evaluated == g.pending.len())
    }

    /// Makes one token.
    pub fn decode(&mut self) -> Result<Step> {
        self.decode_within(None)
    }

    /// Makes one token; with `allowed` (a bit for each id, 32 to a word) only one whose bit is set.
    pub fn decode_within(&mut self, allowed: Option<&[u32]>) -> Result<Step> {
        let g = self.generation.as_mut().ok_or_else(no_generation)?;
        if g.evaluated < g.pending.len() {
            return Err(Error::WrongState {
                what: "decode was called before the prompt was evaluated".into(),
            });
        }
        if let Some(id) = g.last.take() {
            self.model
                .forward(&POOL, &mut self.cache, &mut self.scratch, &[id]);
            self.model.logits(&POOL, &mut self.scratch, 0);
            self.held.push(id);
        }
        let logits = self.scratch.logits_mut();
        if let Some(logprobs) = &mut g.logprobs {
            logprobs.keep(logits);
        }
        logit_bias::apply(&g.logit_bias, logits);
        if let Some(allowed) = allowed
            && !mask::apply(allowed, logits)
        {
            self.generation = None;
            return Err(Error::Grammar {
                what: "no token of this model can go on from here".into(),
            });
        }
        let id = g.sampler.sample(logits, &self.held);
        g.left -= 1;
        let mut step = Step {
            id,
            text: String::new(),
            control: None,
            logprobs: Vec::new(),
            finish: None,
        };
        if !g.ignore_eos && self.tokenizer.stop_tokens().contains(&id) {
            step.text = g.stop.push(&g.decoder.finish()).0 + &g.stop.rest();
            step.finish = Some(Finish::Stop);
        } else {
            if self.tokenizer.is_control(id) {
                step.control = self.tokenizer.piece(id).map(str::to_owned);
            }
            let (text, stopped) = g.stop.push(&g.decoder.push(&self.tokenizer, id));
            step.text = text;
            if stopped {
                step.finish = Some(Finish::Stop);
            } else if g.left == 0 {
                let (text, stopped) = g.stop.push(&g.decoder.finish());
                step.text += &text;
                step.finish = Some(if stopped {
                    Finish::Stop
                } else {
                    Finish::Length
                });
                if !stopped {
                    step.text += &g.stop.rest();
                }
            }
        }
        // A stop token is not part of the reply, and neither is its probability.
        let told = g.ignore_eos || !self.tokenizer.stop_tokens().contains(&id);
        let logprobs = g.logprobs.as_ref().filter(|_| told);
        let logprobs = logprobs.map(|l| (l.of(id), l.top()));
        match step.finish {
            Some(_) => self.generation = None,
            None => g.last = Some(id),
        }
        if let Some((own, top)) = logprobs {
            let told = core::iter::once((id, own)).chain(top);
            step.logprobs = told
                .map(|(id, logprob)| Logprob {
                    id,
                    // JSON has no −∞; OpenAI writes this for what is impossible.
                    logprob: logprob.max(-9999.0),
                    bytes: self.spelled(id),
                })
                .collect();
        }
        Ok(step)
    }

    /// What has been evaluated, to be taken up by [`Engine::restore`] of the same model: a head, the ids, the KV cache.
    pub fn save(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend(STATE);
        out.extend(self.fingerprint().to_le_bytes());
        out.extend((self.held.len() as u32).to_le_bytes());
        out.extend(self.held.iter().flat_map(|id| id.to_le_bytes()));
        self.cache.save(&self.model.config, &mut out);
        out
    }

    /// Takes up what [`Engine::save`] wrote, instead of what is held; how many tokens that is. Nothing changes if
    /// this fails.
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
        if !self.cache.restore(&self.model.config, count, cache) {
            return Err(refused("of another size"));
        }
        self.generation = None;
        self.held = ids;
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

    /// Forgets everything evaluated.
    pub fn reset(&mut self) {
        self.generation = None;
        self.cache.truncate(0);
        self.held.clear();
    }

    /// Evaluates `ids` from an empty cache and calls `each(i, logits)` with the logits after every one from `from` on.
    pub fn evaluate(
        &mut self,
        ids: &[u32],
        from: usize,
        mut each: impl FnMut(usize, &[f32]),
    ) -> Result<()> {
        let (context, vocab_size) = (self.cache.context(), self.model.config.vocab_size);
        if ids.len() > context {
            return Err(Error::ContextFull {
                prompt: ids.len(),
                context,
            });
        }
        self.check_ids(ids)?;
        self.check_causal()?;
        self.reset();
        // Several positions at once, so that the head's weights are read once for all of them.
        let mut logits = zeroed(AT_ONCE.min(ids.len()) * vocab_size)?;
        for (n, slice) in ids.chunks(SLICE).enumerate() {
            self.model
                .forward(&POOL, &mut self.cache, &mut self.scratch, slice);
            let mut start = from.saturating_sub(n * SLICE);
            while start < slice.len() {
                let range = start..(start + AT_ONCE).min(slice.len());
                let logits = &mut logits[..range.len() * vocab_size];
                self.model
                    .logits_of(&POOL, &mut self.scratch, range.clone(), logits);
                for (i, logits) in range.clone().zip(logits.chunks_exact(vocab_size)) {
                    each(n * SLICE + i, logits);
                }
                start = range.end;
            }
        }
        self.held.extend_from_slice(ids);
        Ok(())
    }

    /// Adds up the squares of every matrix's input from now on; what was added up until now.
    pub fn listen(&mut self, importance: Option<Box<Importance>>) -> Option<Box<Importance>> {
        self.scratch.listen(importance)
    }

    /// Compares this engine's distributions with another's over `ids`, from position `from` on. `reference`: for each
    /// of those positions but the last, what [`fidelity::pack`] made of the other's logits (little-endian).
    pub fn compare(&mut self, ids: &[u32], from: usize, reference: &[u8]) -> Result<Fidelity> {
        let row = 2 * self.model.config.vocab_size;
        let rows = ids.len().saturating_sub(from + 1);
        if reference.len() != rows * row {
            return Err(Error::BadArgument {
                name: "reference".into(),
                found: format!("{} bytes", reference.len()),
                expected: format!("{rows} positions of {row} bytes"),
            });
        }
        let mut fidelity = Fidelity::default();
        self.evaluate(ids, from, |i, logits| {
            if let Some(next) = ids.get(i + 1) {
                fidelity.add(
                    logits,
                    fidelity::unpack(&reference[(i - from) * row..][..row]),
                    *next,
                );
            }
        })?;
        Ok(fidelity)
    }

    /// ln p(ids[i + 1] | ids[..= i]) for every i, and after it the most likely id; the last has no next and is 0.
    pub fn score(&mut self, ids: &[u32]) -> Result<Vec<(f32, u32)>> {
        let mut scores = Vec::with_capacity(ids.len());
        self.evaluate(ids, 0, |i, logits| {
            let mut top = 0;
            for (id, logit) in logits.iter().enumerate() {
                if *logit > logits[top] {
                    top = id;
                }
            }
            let max = f64::from(logits[top]);
            let sum: f64 = logits.iter().map(|l| (f64::from(*l) - max).exp()).sum();
            let p = ids
                .get(i + 1)
                .map_or(0.0, |id| f64::from(logits[*id as usize]) - max - sum.ln());
            scores.push((p as f32, top as u32));
        })?;
        Ok(scores)
    }
}

fn no_generation() -> Error {
    Error::WrongState {
        what: "no reply is being made: call begin first".into(),
    }
}
