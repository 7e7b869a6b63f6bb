//! Role messages → prompt through the model's own Jinja template, as Hugging Face's `apply_chat_template` does it.
//!
//! What a message says never becomes a control token. A hostile template ends in an error, soon and in little memory.

mod clock;
mod default;
mod engine;
mod functions;
mod meter;
mod python;

use crate::error::{Error, Result};
use crate::format::Metadata;
use crate::tokenizer::{Tokenizer, free_guard};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value as Json, json};

const ROLES: &[&str] = &["system", "user", "assistant", "tool", "developer"];

/// One message of a conversation. A key that is not named here is ignored.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// system, user, assistant, tool or developer.
    pub role: String,
    /// The text.
    #[serde(default, deserialize_with = "text_or_null")]
    pub content: String,
    /// The thoughts before an assistant's reply, for templates that write them back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_content: Option<String>,
    /// The calls of an assistant: `[{ id?, type, function: { name, arguments } }]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_calls: Option<Json>,
    /// The call that a tool's message answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<String>,
    /// The tool's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl Message {
    /// A message of text alone.
    pub fn new(role: &str, content: &str) -> Message {
        Message {
            role: role.into(),
            content: content.into(),
            ..Message::default()
        }
    }
}

/// Assistants that only call tools have `null` for content.
fn text_or_null<'de, D: Deserializer<'de>>(de: D) -> core::result::Result<String, D::Error> {
    Option::<String>::deserialize(de).map(Option::unwrap_or_default)
}

/// What a template can be told besides the messages.
#[derive(Debug, Clone)]
pub struct RenderOptions {
    /// Whether the prompt ends where the assistant's reply begins.
    pub add_generation_prompt: bool,
    /// Tools in OpenAI's form: `[{ type: "function", function: { name, description, parameters } }]`.
    pub tools: Option<Json>,
    /// Local time as seconds since 1970, for templates that write a date; without it they cannot.
    pub now: Option<i64>,
    /// Further variables of the template, such as `enable_thinking`.
    pub variables: Map<String, Json>,
}

impl Default for RenderOptions {
    fn default() -> RenderOptions {
        RenderOptions {
            add_generation_prompt: true,
            tools: None,
            now: None,
            variables: Map::new(),
        }
    }
}

/// A rendered conversation.
#[derive(Debug, Clone, PartialEq)]
pub struct Prompt {
    /// The text, control tokens spelled out.
    pub text: String,
    /// Its ids.
    pub ids: Vec<u32>,
}

/// A model's chat template.
#[derive(Debug)]
pub struct Template {
    source: String,
    warning: Option<String>,
}

impl Template {
    /// The file's `tokenizer.chat_template`; without one a default, and a warning.
    pub fn from_gguf(meta: &Metadata, tokenizer: &Tokenizer) -> Result<Template> {
        if let Some(source) = meta.str("tokenizer.chat_template")? {
            return Template::new(source);
        }
        let (source, name) = default::for_markup(tokenizer);
        Ok(Template {
            warning: Some(format!(
                "the file has no chat template; messages are written as {name}, which the model may not follow"
            )),
            ..Template::new(source)?
        })
    }

    /// A template from its Jinja source.
    pub fn new(source: &str) -> Result<Template> {
        let source = engine::prepare(source)?;
        Ok(Template {
            source,
            warning: None,
        })
    }

    /// What a user should know about this template.
    pub fn warning(&self) -> Option<&str> {
        self.warning.as_deref()
    }

    /// The Jinja source.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The prompt for a conversation.
    pub fn render(
        &self,
        tokenizer: &Tokenizer,
        messages: &[Message],
        options: &RenderOptions,
    ) -> Result<Prompt> {
        for message in messages {
            if !ROLES.contains(&message.role.as_str()) {
                return Err(Error::BadArgument {
                    name: "role".into(),
                    found: format!("{:?}", message.role),
                    expected: ROLES.join(", "),
                });
            }
        }
        let piece = |id: Option<u32>| id.and_then(|id| tokenizer.piece(id)).unwrap_or_default();
        let mut given = json!({
            "messages": messages,
            "tools": options.tools,
            "variables": options.variables,
        });
        let mut texts = vec![self.source.as_str()];
        collect_texts(&given, &mut texts);
        let guard = free_guard(texts.iter().copied());
        let guard = guard.ok_or_else(|| Error::BadArgument {
            name: "messages".into(),
            found: "every noncharacter from U+FDD0 to U+FDEF".into(),
            expected: "text without noncharacters".into(),
        })?;

        let word = |value| protect_words(value, tokenizer, guard);
        let text = |text: &str| tokenizer.protect(text, guard);
        let mut context = Map::new();
        if let Json::Object(variables) = word(given["variables"].take()) {
            context.extend(variables);
        }
        context.insert("tools".into(), word(given["tools"].take()));
        let messages = messages.iter().map(|message| {
            let guarded = Message {
                role: message.role.clone(),
                content: text(&message.content),
                reasoning_content: message.reasoning_content.as_deref().map(text),
                tool_calls: message.tool_calls.clone().map(word),
                tool_call_id: message
                    .tool_call_id
                    .as_ref()
                    .map(|id| tokenizer.protect_word(id, guard)),
                name: message
                    .name
                    .as_ref()
                    .map(|name| tokenizer.protect_word(name, guard)),
            };
            json!(guarded)
        });
        context.insert("messages".into(), messages.collect());
        context.extend([
            ("documents".into(), Json::Null),
            ("bos_token".into(), piece(tokenizer.bos()).into()),
            ("eos_token".into(), piece(tokenizer.eos()).into()),
            ("add_bos".into(), tokenizer.add_bos().into()),
            (
                "add_generation_prompt".into(),
                options.add_generation_prompt.into(),
            ),
        ]);
        let text = engine::render(&self.source, &context, options.now)?;
        let ids = tokenizer.encode_guarded(&text, guard)?;
        Ok(Prompt {
            text: text.replace(guard, ""),
            ids,
        })
    }
}

/// Every string in a value, keys included.
fn collect_texts<'a>(value: &'a Json, texts: &mut Vec<&'a str>) {
    match value {
        Json::String(text) => texts.push(text),
        Json::Array(values) => values.iter().for_each(|v| collect_texts(v, texts)),
        Json::Object(map) => {
            for (key, value) in map {
                texts.push(key);
                collect_texts(value, texts);
            }
        }
        Json::Null | Json::Bool(_) | Json::Number(_) => {}
    }
}

/// Breaks control tokens in every string of a value, keys included.
fn protect_words(value: Json, tokenizer: &Tokenizer, guard: char) -> Json {
    match value {
        Json::String(text) => tokenizer.protect_word(&text, guard).into(),
        Json::Array(values) => {
            let values = values.into_iter();
            values
                .map(|value| protect_words(value, tokenizer, guard))
                .collect()
        }
        Json::Object(map) => map
            .into_iter()
            .map(|(key, value)| {
                let key = tokenizer.protect_word(&key, guard);
                (key, protect_words(value, tokenizer, guard))
            })
            .collect(),
        other => other,
    }
}
