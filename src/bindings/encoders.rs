//! The calls of an engine that reads texts: thin, as in the file above.

use wasm_bindgen::prelude::*;

use super::{Engine, json, parse, thrown};
use crate::session::Pooling;

#[wasm_bindgen]
impl Engine {
    /// The embeddings of texts (JSON of `string[]`), one after the other. `pooling` (`mean`, `first` or `last`) and
    /// `normalise` are what the file says by default.
    pub fn embed(
        &mut self,
        texts: &str,
        pooling: Option<String>,
        normalise: Option<bool>,
    ) -> Result<Vec<f32>, JsValue> {
        let pooling: Option<Pooling> = match pooling {
            Some(name) => Some(parse("pooling", &json(&name))?),
            None => None,
        };
        let texts: Vec<String> = parse("texts", texts)?;
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let embeddings = self.0.embed(&texts, pooling, normalise).map_err(thrown)?;
        Ok(embeddings.concat())
    }

    /// The classes of a text, or of two read together → JSON of `Class[]`.
    pub fn classify(&mut self, text: &str, second: Option<String>) -> Result<String, JsValue> {
        let classes = self.0.classify(text, second.as_deref());
        classes.map(|c| json(&c)).map_err(thrown)
    }

    /// How well a document answers a query, 0 to 1.
    pub fn rerank(&mut self, query: &str, document: &str) -> Result<f32, JsValue> {
        self.0.rerank(query, document).map_err(thrown)
    }

    /// The likeliest tokens for each mask → JSON of `Filled[][]`.
    #[wasm_bindgen(js_name = fillMask)]
    pub fn fill_mask(&mut self, text: &str, top_k: usize) -> Result<String, JsValue> {
        let filled = self.0.fill_mask(text, top_k);
        filled.map(|f| json(&f)).map_err(thrown)
    }
}
