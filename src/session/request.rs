//! What a session is asked and what it answers.

use serde::{Deserialize, Serialize};

use super::MemoryPlan;
use crate::chat::Message;
use crate::error::{Error, Result};
use crate::sampler::Params;

/// Tokens whose log-probabilities are told at every position: what OpenAI allows, times five.
const MAX_TOP_LOGPROBS: usize = 100;

/// One generation. Exactly one of `messages`, `prompt` and `ids` is given.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Request {
    /// A conversation, rendered by the model's template.
    pub messages: Option<Vec<Message>>,
    /// Tools that the template may describe, in OpenAI's form.
    pub tools: Option<serde_json::Value>,
    /// Further variables of the template.
    pub template_variables: serde_json::Map<String, serde_json::Value>,
    /// Local time as seconds since 1970, for templates that write a date.
    pub now: Option<i64>,
    /// Raw text, in which control tokens are read as such. Where there is an encoder, it reads this up to the token that
    /// writing begins with, or all of it.
    pub prompt: Option<String>,
    /// Token ids as they are; where there is an encoder, parted as `prompt` is.
    pub ids: Option<Vec<u32>>,
    /// Tokens to generate at most; without one, until the context is full, or as many as it has.
    pub max_tokens: Option<usize>,
    /// Where the context is full, keep its first tokens, forget the oldest behind them and go on; otherwise a prompt is
    /// refused, and a reply ends.
    pub shift: bool,
    /// Tokens at the start that a shift never forgets, rounded up to whole blocks; by default the system message.
    pub keep_tokens: Option<usize>,
    /// Starts the random generator.
    pub seed: u64,
    /// 0 is greedy.
    pub temperature: f32,
    /// 0 is off.
    pub top_k: Option<usize>,
    /// 1 is off.
    pub top_p: Option<f32>,
    /// 0 is off.
    pub min_p: Option<f32>,
    /// 1 is off.
    pub repetition_penalty: Option<f32>,
    /// 0 is off.
    pub frequency_penalty: Option<f32>,
    /// 0 is off.
    pub presence_penalty: Option<f32>,
    /// Added to the logits of these ids.
    pub logit_bias: Vec<(u32, f32)>,
    /// Tell each token's log-probability, and those of so many of the most probable ones.
    pub logprobs: Option<usize>,
    /// How the reply begins: plain text after the prompt, which the model goes on with and does not repeat.
    pub prefix: Option<String>,
    /// Go on past stop tokens (for measurements).
    pub ignore_eos: bool,
    /// Texts that end the reply; they are not part of it.
    pub stop: Vec<String>,
}

impl Request {
    pub(super) fn params(&self) -> Params {
        let d = Params::default();
        Params {
            temperature: self.temperature,
            top_k: self.top_k.unwrap_or(d.top_k),
            top_p: self.top_p.unwrap_or(d.top_p),
            min_p: self.min_p.unwrap_or(d.min_p),
            repetition_penalty: self.repetition_penalty.unwrap_or(d.repetition_penalty),
            frequency_penalty: self.frequency_penalty.unwrap_or(d.frequency_penalty),
            presence_penalty: self.presence_penalty.unwrap_or(d.presence_penalty),
            seed: self.seed,
            ..d
        }
    }

    pub(super) fn check(&self) -> Result<()> {
        let given = usize::from(self.messages.is_some())
            + usize::from(self.prompt.is_some())
            + usize::from(self.ids.is_some());
        if given != 1 {
            return Err(Error::BadArgument {
                name: "messages, prompt, ids".into(),
                found: format!("{given} of them"),
                expected: "exactly one".into(),
            });
        }
        if let Some((id, bias)) = self.logit_bias.iter().find(|(_, b)| !b.is_finite()) {
            return Err(Error::BadArgument {
                name: "logitBias".into(),
                found: format!("{bias} for {id}"),
                expected: "finite numbers".into(),
            });
        }
        if self.logprobs.is_some_and(|n| n > MAX_TOP_LOGPROBS) {
            return Err(Error::BadArgument {
                name: "logprobs".into(),
                found: self.logprobs.unwrap_or_default().to_string(),
                expected: format!("at most {MAX_TOP_LOGPROBS}"),
            });
        }
        if self.max_tokens == Some(0) {
            return Err(Error::BadArgument {
                name: "maxTokens".into(),
                found: "0".into(),
                expected: "at least 1".into(),
            });
        }
        Ok(())
    }
}

/// The answer to a request: what will be evaluated.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Begun {
    /// Names the reply as long as it is under way.
    pub reply: u32,
    /// Tokens of the prompt.
    pub prompt_tokens: usize,
    /// Of these, already in the KV cache.
    pub cached_tokens: usize,
    /// The end of the prompt, control tokens spelled out: whether it has opened a block that the reply goes on with.
    pub tail: String,
}

/// Why a reply ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Finish {
    /// A stop token or stop text.
    Stop,
    /// `max_tokens`, or the context is full.
    Length,
}

/// A token and its log-probability under the model.
#[derive(Debug, Clone, Serialize)]
pub struct Logprob {
    /// Its id.
    pub id: u32,
    /// ln p.
    pub logprob: f32,
    /// Its bytes; a control token's name.
    pub bytes: Vec<u8>,
}

/// One generated token.
#[derive(Debug, Clone, Serialize)]
pub struct Step {
    /// Its id.
    pub id: u32,
    /// The text that is complete with it; empty in the middle of a character or of a possible stop text.
    pub text: String,
    /// The name of a control token that ends nothing: markup of tool calls, say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub control: Option<String>,
    /// Where they were asked for: first the token itself, then the most probable ones.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub logprobs: Vec<Logprob>,
    /// Set on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finish: Option<Finish>,
}

/// What became of one reply in a step.
#[derive(Debug)]
pub enum Made {
    /// Its next token.
    Token(Step),
    /// Nothing: an older reply needed its memory. What it evaluated has to be evaluated again, by prefilling it.
    Paused,
    /// Nothing, and it is over.
    Failed(Error),
}

/// How far a prompt is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prefilled {
    /// There is more to evaluate.
    More,
    /// All of it is evaluated: the reply's next token is to be made before anything else is computed.
    Done,
    /// Nothing was evaluated: there is room again once another reply has ended.
    Full,
}

/// What a loaded model is.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Info {
    /// `general.name`, or the architecture.
    pub name: String,
    /// `general.architecture`.
    pub architecture: String,
    /// The format of most of its weights.
    pub format: String,
    /// Values in its tensors.
    pub parameters: u64,
    /// Positions the KV cache holds.
    pub context_length: usize,
    /// Positions the model was made for.
    pub max_context_length: usize,
    /// Ids there are.
    pub vocab_size: usize,
    /// Blocks.
    pub layers: usize,
    /// Replies that can be under way at once.
    pub batch: usize,
    /// The instruction set of this build.
    pub flavour: String,
    /// Threads in use.
    pub threads: usize,
    /// Bytes by purpose.
    pub plan: MemoryPlan,
    /// Set when the file has no chat template and a default is used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template_warning: Option<String>,
}
