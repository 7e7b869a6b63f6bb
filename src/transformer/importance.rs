//! How much each column of each matrix matters: sums of squared inputs over a text, added up as a forward pass runs.

/// A matrix's input by its place; matrices that read the same input share it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// Of query, key and value in block i.
    Mixer(usize),
    /// Of what follows the mixing in block i.
    MixerOutput(usize),
    /// Of gate and up in block i.
    FeedForward(usize),
    /// Of down in block i.
    Down(usize),
    /// Of the language-model head.
    Output,
}

/// Squares added up for one input.
#[derive(Debug, Clone, PartialEq)]
pub struct Squares {
    /// Where it goes in.
    pub input: Input,
    /// \[cols\].
    pub sums: Vec<f64>,
    /// Tokens added.
    pub count: u64,
}

/// The sums of all inputs, in the order they first came.
#[derive(Debug, Clone, Default)]
pub struct Importance {
    inputs: Vec<Squares>,
}

impl Importance {
    /// Adds the squares of `x` [tokens, cols].
    pub fn add(&mut self, input: Input, x: &[f32], cols: usize) {
        let at = self
            .inputs
            .iter()
            .position(|s| s.input == input)
            .unwrap_or_else(|| {
                self.inputs.push(Squares {
                    input,
                    sums: vec![0.0; cols],
                    count: 0,
                });
                self.inputs.len() - 1
            });
        let squares = &mut self.inputs[at];
        for x in x.chunks_exact(cols) {
            for (sum, x) in squares.sums.iter_mut().zip(x) {
                *sum += f64::from(*x) * f64::from(*x);
            }
            squares.count += 1;
        }
    }

    /// The sums so far.
    pub fn inputs(&self) -> &[Squares] {
        &self.inputs
    }
}
