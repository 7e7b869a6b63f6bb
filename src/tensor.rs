//! Shapes, borrowed quantised matrices and f32 scratch.
