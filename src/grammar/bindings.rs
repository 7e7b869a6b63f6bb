//! The grammar module's face to JavaScript: JSON and typed arrays into calls of `grammar`. Converts, never decides.

use super::Grammar;
use crate::error::Error;
use wasm_bindgen::prelude::*;

fn thrown(error: Error) -> JsValue {
    let js = js_sys::Error::new(&error.to_string());
    let _ = js_sys::Reflect::set(&js, &"code".into(), &error.code().into());
    js.into()
}

/// A tokenizer's vocabulary, ready for grammars.
#[wasm_bindgen]
pub struct Vocabulary(super::Vocabulary);

#[wasm_bindgen]
impl Vocabulary {
    /// `packed`: what `Engine.vocabulary` returned.
    #[wasm_bindgen(constructor)]
    pub fn new(packed: &[u8]) -> Result<Vocabulary, JsValue> {
        console_error_panic_hook::set_once();
        super::Vocabulary::new(packed)
            .map(Vocabulary)
            .map_err(thrown)
    }

    /// Begins a reply; `grammar`: JSON of `Grammar`.
    pub fn constrain(&self, grammar: &str) -> Result<Constraint, JsValue> {
        Grammar::parse(grammar)
            .and_then(|grammar| self.0.constrain(grammar))
            .map(Constraint)
            .map_err(thrown)
    }
}

/// One reply under a grammar.
#[wasm_bindgen]
pub struct Constraint(super::Constraint);

#[wasm_bindgen]
impl Constraint {
    /// A bit for each token that may come next.
    pub fn mask(&mut self) -> Result<Vec<u32>, JsValue> {
        self.0.mask().map_err(thrown)
    }

    /// Takes the token that was chosen; true when only a stop token may follow.
    pub fn accept(&mut self, id: u32) -> Result<bool, JsValue> {
        self.0.accept(id).map_err(thrown)
    }
}
