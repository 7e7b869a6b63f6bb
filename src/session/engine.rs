//! A loaded model with one conversation's state.

use super::MemoryPlan;
use super::fidelity::{self, Fidelity};
use super::request::{Begun, Finish, Info, Request, Step};
use super::stop::StopTexts;
use crate::chat::{Message, RenderOptions, Template};
use crate::error::{Error, Result};
use crate::kernels::pool::Pool;
use crate::sampler::Sampler;
use crate::tensor::zeroed;
use crate::tokenizer::{Special, StreamDecoder, Tokenizer};
use crate::transformer::{Cache, Importance, Model, SLICE, Scratch};

/// The threads of this process. One engine computes at a time in each.
pub static POOL: Pool = Pool::new();

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
        Ok(self
            .template
            .render(&self.tokenizer, messages, &options)?
            .text)
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
        let ids = self.prompt_ids(request)?;
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
        let begun = Begun {
            prompt_tokens: ids.len(),
            cached_tokens: shared,
        };
        let room = context - ids.len();
        self.generation = Some(Generation {
            sampler,
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
        let id = g.sampler.sample(self.scratch.logits_mut(), &self.held);
        g.left -= 1;
        let mut step = Step {
            id,
            text: String::new(),
            finish: None,
        };
        if !g.ignore_eos && self.tokenizer.stop_tokens().contains(&id) {
            step.text = g.stop.push(&g.decoder.finish()).0 + &g.stop.rest();
            step.finish = Some(Finish::Stop);
        } else {
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
        match step.finish {
            Some(_) => self.generation = None,
            None => g.last = Some(id),
        }
        Ok(step)
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
