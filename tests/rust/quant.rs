//! Every block format.
