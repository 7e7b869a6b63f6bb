//! The only file that names `wasm_bindgen`: turns JSON and typed arrays into calls of `session`. Converts, never decides.

#[path = "bindings/encoders.rs"]
mod encoders;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use wasm_bindgen::prelude::*;

use crate::chat::{Message, RenderOptions};
use crate::error::Error;
use crate::session::{self, Made, Step};
use crate::tokenizer::{Rewrite, Special, set_platform};

/// An `Error` of JavaScript with our code.
fn thrown(error: Error) -> JsValue {
    let js = js_sys::Error::new(&error.to_string());
    let _ = js_sys::Reflect::set(&js, &"code".into(), &error.code().into());
    js.into()
}

fn parse<T: DeserializeOwned>(name: &str, json: &str) -> Result<T, JsValue> {
    serde_json::from_str(json).map_err(|e| {
        thrown(Error::BadArgument {
            name: name.into(),
            found: e.to_string(),
            expected: "what the interface says".into(),
        })
    })
}

fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("plain data")
}

/// Runs once when the module is instantiated.
#[wasm_bindgen(start)]
pub fn start() {
    console_error_panic_hook::set_once();
    set_platform(rewrite);
}

/// The browser's Unicode tables.
fn rewrite(text: &str, how: Rewrite) -> String {
    let text = js_sys::JsString::from(text);
    let without = |pattern| text.replace_by_pattern(&js_sys::RegExp::new(pattern, "gu"), "");
    let done = match how {
        Rewrite::Nfc => text.normalize("NFC"),
        Rewrite::Nfd => text.normalize("NFD"),
        Rewrite::Nfkc => text.normalize("NFKC"),
        Rewrite::Nfkd => text.normalize("NFKD"),
        Rewrite::NoMarks => without(r"\p{Mn}+"),
        Rewrite::NoControls => without(r"[\p{Cc}\p{Cf}\p{Co}]+"),
        Rewrite::Lowercase => text.to_lower_case(),
    };
    done.into()
}

/// A model being streamed in.
#[wasm_bindgen]
pub struct Loader(session::Loader);

#[wasm_bindgen]
impl Loader {
    /// `options`: JSON of `LoadOptions`.
    #[wasm_bindgen(constructor)]
    pub fn new(options: &str) -> Result<Loader, JsValue> {
        Ok(Loader(session::Loader::new(parse("options", options)?)))
    }

    /// The bytes that follow are those of another file of the model, called `name`.
    pub fn file(&mut self, name: &str) -> Result<(), JsValue> {
        self.0.file(name).map_err(thrown)
    }

    /// The next bytes of the file.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), JsValue> {
        self.0.push(bytes).map_err(thrown)
    }

    /// JSON of `MemoryPlan`, once the header has been read.
    pub fn plan(&self) -> Option<String> {
        self.0.plan().map(json)
    }

    /// The engine, once every byte has come.
    pub fn finish(self) -> Result<Engine, JsValue> {
        self.0.finish().map(Engine).map_err(thrown)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TemplateRequest {
    messages: Vec<Message>,
    #[serde(default = "yes")]
    add_generation_prompt: bool,
    tools: Option<serde_json::Value>,
    #[serde(default)]
    template_variables: serde_json::Map<String, serde_json::Value>,
    now: Option<i64>,
}

fn yes() -> bool {
    true
}

/// What became of one reply in a step.
#[derive(Serialize)]
#[serde(untagged)]
enum Stepped {
    Token(Step),
    Paused,
    Failed { code: &'static str, message: String },
}

/// A loaded model.
#[wasm_bindgen]
pub struct Engine(session::Engine);

#[wasm_bindgen]
impl Engine {
    /// JSON of `Info`.
    pub fn info(&self) -> String {
        json(&self.0.info())
    }

    /// Text → ids.
    pub fn tokenize(&self, text: &str, parse_special: bool) -> Result<Vec<u32>, JsValue> {
        let special = if parse_special {
            Special::Parse
        } else {
            Special::Text
        };
        self.0.tokenizer().encode(text, special).map_err(thrown)
    }

    /// Ids → text.
    pub fn detokenize(&self, ids: &[u32]) -> String {
        self.0.tokenizer().decode(ids)
    }

    /// JSON `{ messages, addGenerationPrompt?, tools?, templateVariables?, now? }` → prompt text.
    #[wasm_bindgen(js_name = applyTemplate)]
    pub fn apply_template(&self, request: &str) -> Result<String, JsValue> {
        let r: TemplateRequest = parse("request", request)?;
        let options = RenderOptions {
            add_generation_prompt: r.add_generation_prompt,
            tools: r.tools,
            now: r.now,
            variables: r.template_variables,
        };
        self.0.render(&r.messages, &options).map_err(thrown)
    }

    /// JSON of `Request` → JSON of `Begun`.
    pub fn begin(&mut self, request: &str) -> Result<String, JsValue> {
        self.0
            .begin(&parse("request", request)?)
            .map(|b| json(&b))
            .map_err(thrown)
    }

    /// One slice of the prompt of `reply`, of at most `most` tokens; 0 where there is more, 1 when all of it is
    /// evaluated, 2 where nothing was, as there is no room.
    pub fn prefill(&mut self, reply: u32, most: usize) -> Result<u32, JsValue> {
        let prefilled = self.0.prefill(reply, most).map_err(thrown)?;
        Ok(prefilled as u32)
    }

    /// One token of each of `replies` → JSON of a list of `Step`, `null` for those paused, or `{ code, message }`.
    /// `masked`: which of them have a mask in `masks`, where these stand one after the other.
    pub fn step(
        &mut self,
        replies: &[u32],
        masked: &[u32],
        masks: &[u32],
    ) -> Result<String, JsValue> {
        let mut masks = masks.chunks_exact((masks.len() / masked.len().max(1)).max(1));
        let wanted: Vec<_> = replies
            .iter()
            .map(|id| (*id, masked.contains(id).then(|| masks.next()).flatten()))
            .collect();
        let made = self.0.step(&wanted).map_err(thrown)?;
        let made: Vec<_> = made
            .into_iter()
            .map(|made| match made {
                Made::Token(step) => Stepped::Token(step),
                Made::Paused => Stepped::Paused,
                Made::Failed(error) => Stepped::Failed {
                    code: error.code(),
                    message: error.to_string(),
                },
            })
            .collect();
        Ok(json(&made))
    }

    /// Ends a reply early.
    pub fn end(&mut self, reply: u32) {
        self.0.end(reply);
    }

    /// The Jinja source of the chat template.
    pub fn template(&self) -> String {
        self.0.template().source().to_owned()
    }

    /// The vocabulary for the grammar module.
    pub fn vocabulary(&self) -> Vec<u8> {
        self.0.vocabulary()
    }

    /// What has been evaluated, as bytes for `restore`.
    pub fn save(&self) -> Vec<u8> {
        self.0.save()
    }

    /// Takes up what `save` returned → its tokens.
    pub fn restore(&mut self, state: &[u8]) -> Result<usize, JsValue> {
        self.0.restore(state).map_err(thrown)
    }

    /// Forgets everything evaluated.
    pub fn reset(&mut self) {
        self.0.reset();
    }

    /// Asks for `n` threads.
    #[wasm_bindgen(js_name = setThreads)]
    pub fn set_threads(&self, n: usize) {
        self.0.set_threads(n);
    }

    /// ln p(ids[i + 1] | ids[..= i]) for every i, from an empty cache, and the most likely id at every position.
    pub fn score(&mut self, ids: &[u32]) -> Result<Vec<f32>, JsValue> {
        self.0
            .score(ids)
            .map(|s| s.into_iter().flat_map(|(p, top)| [p, top as f32]).collect())
            .map_err(thrown)
    }

    /// How far the distributions over `ids` are from another computation's, see `session::Engine::compare` → JSON of
    /// `Fidelity`.
    pub fn compare(
        &mut self,
        ids: &[u32],
        from: usize,
        reference: &[u8],
    ) -> Result<String, JsValue> {
        self.0
            .compare(ids, from, reference)
            .map(|f| json(&f))
            .map_err(thrown)
    }
}

/// A worker's life in a threads flavour: blocks for ever.
#[cfg(target_feature = "atomics")]
#[wasm_bindgen(js_name = threadMain)]
pub fn thread_main() {
    crate::session::POOL.work();
}
