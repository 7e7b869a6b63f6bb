//! What a model with an encoder is asked: a text to read, and how what it writes begins. Both are one list of ids, the
//! text's first; they part where the token stands that all writing of this model begins with.
//!
//! It knows no turns: a conversation is one message, unless the file has a template that says otherwise.

use super::Engine;
use super::request::Request;
use crate::chat::Message;
use crate::error::{Error, Result};
use crate::tokenizer::Special;
use crate::transformer::Encoder;
use serde_json::Value;

impl Engine {
    /// The ids of a request's prompt, and how many of the first ones an encoder reads.
    pub(super) fn prompt(&self, request: &Request) -> Result<(Vec<u32>, usize)> {
        let Some(encoder) = self.model.config.encoder else {
            return Ok((self.prompt_ids(request)?, 0));
        };
        let (mut ids, read) = match (&request.messages, &request.prompt) {
            (Some(messages), _) if self.knows_no_turns() => {
                let text = one_message(messages, request.tools.as_ref())?;
                let ids = self.tokenizer.encode(text, Special::Text)?;
                (self.framed_by_end(ids), None)
            }
            (_, Some(text)) => {
                let mut ids = self.tokenizer.encode(text, Special::Parse)?;
                let begun = begun(encoder, &ids).map(|at| ids.split_off(at));
                let mut ids = self.framed_by_end(ids);
                let read = begun.map(|begun| {
                    let read = ids.len();
                    ids.extend(begun);
                    read
                });
                (ids, read)
            }
            _ => {
                let ids = self.prompt_ids(request)?;
                let read = begun(encoder, &ids);
                (ids, read)
            }
        };
        let read = read.unwrap_or_else(|| {
            ids.push(encoder.start);
            ids.len() - 1
        });
        if read == 0 {
            return Err(Error::BadArgument {
                name: "messages, prompt, ids".into(),
                found: "nothing for the encoder to read".into(),
                expected: format!(
                    "a text before the token {} that replies begin with",
                    encoder.start
                ),
            });
        }
        Ok((ids, read))
    }

    /// Whether a conversation is one message.
    pub(super) fn knows_no_turns(&self) -> bool {
        self.model.config.encoder.is_some() && self.template.warning().is_some()
    }

    /// How many of `ids` an encoder reads, where the first token of what is written is among them.
    pub(super) fn read_first(&self, ids: &[u32]) -> Result<usize> {
        let Some(encoder) = self.model.config.encoder else {
            return Ok(0);
        };
        begun(encoder, ids)
            .filter(|read| *read > 0)
            .ok_or_else(|| Error::BadArgument {
                name: "ids".into(),
                found: format!("{} of one text", ids.len()),
                expected: format!(
                    "those of the encoder's text, then the token {} and what is written about it",
                    encoder.start
                ),
            })
    }

    /// `ids` between what the file puts around a text, of which the end may be there already.
    fn framed_by_end(&self, mut ids: Vec<u32>) -> Vec<u32> {
        if ids
            .last()
            .is_some_and(|last| self.tokenizer.eos() == Some(*last))
        {
            ids.pop();
        }
        self.tokenizer.frame(&ids)
    }
}

/// Where in `ids` writing begins.
fn begun(encoder: Encoder, ids: &[u32]) -> Option<usize> {
    ids.iter().position(|id| *id == encoder.start)
}

/// What users should know of a model without a template.
pub(super) const ONE_MESSAGE: &str = "the model knows no turns: a conversation is one message of the user, whose text its encoder reads";

/// The text of such a conversation.
pub(super) fn one_message<'a>(messages: &'a [Message], tools: Option<&Value>) -> Result<&'a str> {
    let found = match messages {
        _ if tools.is_some_and(|tools| !tools.is_null()) => "tools".into(),
        [message] if message.role == "user" => return Ok(&message.content),
        [message] => format!("a message of the role {:?}", message.role),
        several => format!("{} messages", several.len()),
    };
    Err(Error::BadArgument {
        name: "messages".into(),
        found,
        expected: format!("one message of the user ({ONE_MESSAGE})"),
    })
}
