//! What a caller may set, its defaults and its ranges.

use crate::error::{Error, Result};

/// The parameters of a chain. Each stage has a value that turns it off.
#[derive(Debug, Clone, PartialEq)]
pub struct Params {
    /// Divides the logits: below 1 sharpens, above 1 flattens; 0 is greedy.
    pub temperature: f32,
    /// Keeps the `top_k` highest logits; 0 is off.
    pub top_k: usize,
    /// Keeps the fewest tokens whose probabilities reach `top_p`; 1 is off.
    pub top_p: f32,
    /// Keeps tokens at least `min_p` times as probable as the best; 0 is off.
    pub min_p: f32,
    /// Divides positive and multiplies negative logits of recent tokens; 1 is off.
    pub repetition_penalty: f32,
    /// How many of the last tokens the three penalties look at; 0 is off.
    pub repetition_window: usize,
    /// Subtracted once per occurrence in the window; 0 is off.
    pub frequency_penalty: f32,
    /// Subtracted once if the token occurs in the window; 0 is off.
    pub presence_penalty: f32,
    /// Starts the random generator.
    pub seed: u64,
}

impl Default for Params {
    /// The defaults of llama.cpp, with seed 0.
    fn default() -> Params {
        Params {
            temperature: 0.8,
            top_k: 40,
            top_p: 0.95,
            min_p: 0.05,
            repetition_penalty: 1.0,
            repetition_window: 64,
            frequency_penalty: 0.0,
            presence_penalty: 0.0,
            seed: 0,
        }
    }
}

impl Params {
    /// Checks every field's range; the error names the field.
    pub fn validate(&self) -> Result<()> {
        let Params {
            temperature,
            top_k: _,
            top_p,
            min_p,
            ..
        } = *self;
        check(
            "temperature",
            temperature,
            temperature >= 0.0,
            "a finite number of at least 0",
        )?;
        check(
            "top_p",
            top_p,
            (0.0..=1.0).contains(&top_p),
            "between 0 and 1",
        )?;
        check(
            "min_p",
            min_p,
            (0.0..=1.0).contains(&min_p),
            "between 0 and 1",
        )?;
        let repetition = self.repetition_penalty;
        check(
            "repetition_penalty",
            repetition,
            repetition > 0.0,
            "a finite number above 0",
        )?;
        check(
            "frequency_penalty",
            self.frequency_penalty,
            true,
            "a finite number",
        )?;
        check(
            "presence_penalty",
            self.presence_penalty,
            true,
            "a finite number",
        )
    }

    /// Whether any penalty is on.
    pub(super) fn penalises(&self) -> bool {
        self.repetition_window > 0
            && (self.repetition_penalty != 1.0
                || self.frequency_penalty != 0.0
                || self.presence_penalty != 0.0)
    }
}

fn check(name: &str, value: f32, in_range: bool, expected: &str) -> Result<()> {
    if value.is_finite() && in_range {
        return Ok(());
    }
    Err(Error::BadArgument {
        name: name.into(),
        found: value.to_string(),
        expected: expected.into(),
    })
}
