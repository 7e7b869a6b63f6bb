//! Owns model, cache and sampler.
