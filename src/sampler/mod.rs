//! Logits → id: a chain of stages, one file each.
