//! A loaded model with one conversation's state.

use super::MemoryPlan;
use super::conversation::Conversation;
use super::encoder_text::{ONE_MESSAGE, one_message};
use super::fidelity::{self, Fidelity};
use super::reply::Reply;
use super::request::{Info, Request};
use crate::chat::{Message, RenderOptions, Template};
use crate::error::{Error, Result};
use crate::kernels::attention::CHUNK;
use crate::kernels::pool::Pool;
use crate::tensor::zeroed;
use crate::tokenizer::{Special, Tokenizer};
use crate::transformer::{Cache, Importance, Model, SLICE, Scratch};

/// The threads of this process. One engine computes at a time in each.
pub static POOL: Pool = Pool::new();

/// Positions whose logits [`Engine::evaluate`] holds at once.
const AT_ONCE: usize = 16;

/// A model that answers.
pub struct Engine {
    pub(super) model: Model,
    pub(super) tokenizer: Tokenizer,
    pub(super) template: Template,
    pub(super) cache: Cache,
    pub(super) scratch: Scratch,
    /// What was evaluated and belongs to no reply under way, the least recently used first.
    pub(super) held: Vec<Conversation>,
    /// Replies under way, the oldest first.
    pub(super) replies: Vec<Reply>,
    /// Of the next reply.
    pub(super) next_reply: u32,
    /// The reply whose next logits are computed already.
    pub(super) fresh: Option<u32>,
    pub(super) info: Info,
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
        let cache = Cache::new(
            &model.config,
            plan.cache_format,
            plan.context_length,
            plan.cache_length,
        )?;
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
            batch: model.config.batch(),
            flavour: format!("{:?}", model.isa).to_lowercase(),
            threads: 1,
            plan,
            template_warning: match model.config.encoder {
                Some(_) => template.warning().map(|_| ONE_MESSAGE.to_owned()),
                None => template.warning().map(str::to_owned),
            },
        };
        Ok(Engine {
            model,
            tokenizer,
            template,
            cache,
            scratch,
            held: Vec::new(),
            replies: Vec::new(),
            next_reply: 0,
            fresh: None,
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

    /// Positions for which the KV cache has room without a conversation leaving it.
    pub fn free_positions(&self) -> usize {
        self.cache.free_blocks() * CHUNK
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
        if self.knows_no_turns() {
            let text = one_message(messages, options.tools.as_ref())?;
            return Ok(text.to_owned());
        }
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
            let bytes = self.tokenizer.spelled(id);
            packed.extend((bytes.len() as u32 | control).to_le_bytes());
            packed.extend(bytes);
        }
        packed
    }

    pub(super) fn prompt_ids(&self, request: &Request) -> Result<Vec<u32>> {
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
    pub(super) fn check_writes(&self) -> Result<()> {
        if self.model.config.writes() {
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

    /// Evaluates `ids` from an empty cache and calls `each(i, logits)` with the logits after every one from `from` on. Where
    /// the first are those of a text that an encoder reads, it is not called for them.
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
        self.check_writes()?;
        let read = self.read_first(ids)?;
        // Several positions at once, so that the head's weights are read once for all of them.
        let mut logits = zeroed(AT_ONCE.min(ids.len()) * vocab_size)?;
        self.reset();
        let mut conversation = self.about(ids, read)?;
        let (text, written) = ids.split_at(read);
        let mut begin = 0;
        for slice in text.chunks(text.len().max(1)).chain(written.chunks(SLICE)) {
            if let Err(error) = self.read_on(&mut conversation, slice, &[]) {
                self.cache.release(conversation.sequence);
                return Err(error);
            }
            let mut start = from.max(read).saturating_sub(begin);
            while start < slice.len() {
                let range = start..(start + AT_ONCE).min(slice.len());
                let logits = &mut logits[..range.len() * vocab_size];
                self.model
                    .logits_of(&POOL, &mut self.scratch, range.clone(), logits);
                for (i, logits) in range.clone().zip(logits.chunks_exact(vocab_size)) {
                    each(begin + i, logits);
                }
                start = range.end;
            }
            begin += slice.len();
        }
        self.keep(conversation);
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

    /// ln p(ids[i + 1] | ids[..= i]) for every i, and after it the most likely id; the last has no next and is 0, and so
    /// are those of a text that an encoder reads.
    pub fn score(&mut self, ids: &[u32]) -> Result<Vec<(f32, u32)>> {
        let mut scores = Vec::with_capacity(ids.len());
        scores.resize(self.read_first(ids).unwrap_or(0), (0.0, 0));
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
