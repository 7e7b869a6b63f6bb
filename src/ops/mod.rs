//! Transformer mathematics on slices. Each operation takes its shapes from its arguments and allocates nothing.

pub mod activation;
pub mod attention;
pub mod blend;
pub mod convolution;
pub mod distance;
pub mod norm;
pub mod rope;
pub mod route;
pub mod scan;
