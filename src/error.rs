//! The public error: each variant carries the data of its case and has a stable `code()` that programs may match on.
//!
//! A message says what was wrong, where, and what to do. Broken internal invariants panic instead.

/// Shorthand for results of this crate.
pub type Result<T> = core::result::Result<T, Error>;

/// Everything that bad input can cause.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The bytes do not start as a GGUF file does.
    #[error(
        "this is not a GGUF file: it starts with {found:02x?}, expected \"GGUF\"; check that the address leads to the file itself and not to a web page"
    )]
    NotGguf {
        /// The first bytes found.
        found: Vec<u8>,
    },
    /// A GGUF version this engine does not read.
    #[error("GGUF version {version} is not supported (2 and 3 are)")]
    UnsupportedVersion {
        /// The version the file names.
        version: u32,
    },
    /// The file ends before its contents do.
    #[error(
        "the file is truncated: {what} needs {expected} bytes, {found} are there; download it again"
    )]
    Truncated {
        /// What was being read.
        what: String,
        /// Bytes needed in all.
        expected: u64,
        /// Bytes there.
        found: u64,
    },
    /// The header contradicts itself.
    #[error("the file's header is malformed: {what}")]
    MalformedHeader {
        /// What was found and what was expected.
        what: String,
    },
    /// `general.architecture` names no registered architecture.
    #[error("the architecture \"{name}\" is not supported; supported: {supported}")]
    UnknownArchitecture {
        /// The name in the file.
        name: String,
        /// The registered names, comma separated.
        supported: String,
    },
    /// A tensor is stored in a format that is not registered.
    #[error("tensor {tensor} is stored in {format}, which is not supported")]
    UnsupportedFormat {
        /// The tensor's name.
        tensor: String,
        /// The format's name, or `ggml type N`.
        format: String,
    },
    /// A required metadata key is missing.
    #[error("the metadata key {key} is missing")]
    MissingKey {
        /// The key.
        key: String,
    },
    /// A metadata value has another type or an impossible value.
    #[error("the metadata key {key} is {found}, expected {expected}")]
    BadKey {
        /// The key.
        key: String,
        /// What is there.
        found: String,
        /// What should be there.
        expected: String,
    },
    /// A tensor the architecture needs is not in the file.
    #[error("tensor {name} is missing")]
    MissingTensor {
        /// The tensor's name.
        name: String,
    },
    /// A tensor has another shape than the metadata says.
    #[error("tensor {name} has shape {found:?}, expected {expected:?}")]
    BadShape {
        /// The tensor's name.
        name: String,
        /// The shape in the file.
        found: Vec<u64>,
        /// The shape that follows from the metadata.
        expected: Vec<u64>,
    },
    /// The caller asks for a longer context than the model was made for.
    #[error(
        "a context of {requested} tokens is longer than the model's {max}; ask for at most {max}"
    )]
    ContextTooLong {
        /// Tokens asked for.
        requested: usize,
        /// The model's `max_seq_len`.
        max: usize,
    },
    /// Prompt and reply do not fit the context.
    #[error(
        "the prompt has {prompt} tokens, and the context holds {context}; shorten it, start a new conversation, or load the model with a longer context"
    )]
    ContextFull {
        /// Tokens in the prompt.
        prompt: usize,
        /// Tokens the context holds.
        context: usize,
    },
    /// The model needs more memory than there is.
    #[error(
        "the model needs {needed} bytes of memory, and at most {available} can be had; choose a smaller file or a shorter context"
    )]
    OutOfMemory {
        /// Bytes the plan needs.
        needed: u64,
        /// Bytes that can be had.
        available: u64,
    },
    /// The tokenizer's data cannot be used.
    #[error("the tokenizer cannot be built: {what}")]
    Tokenizer {
        /// What was wrong.
        what: String,
    },
    /// The chat template cannot be parsed or rendered.
    #[error("the chat template cannot be rendered: {what}")]
    Template {
        /// What was wrong, with the line where it is known.
        what: String,
    },
    /// An argument is outside its range.
    #[error("{name} is {found}, expected {expected}")]
    BadArgument {
        /// The argument's name, as the caller wrote it.
        name: String,
        /// What was given.
        found: String,
        /// What is accepted.
        expected: String,
    },
    /// A grammar cannot be compiled, or nothing can satisfy it.
    #[error("the grammar cannot be used: {what}")]
    Grammar {
        /// What was wrong, and where.
        what: String,
    },
    /// A call came in the wrong state.
    #[error("{what}")]
    WrongState {
        /// What was called and what has to come before.
        what: String,
    },
    /// A file cannot be read or written.
    #[error("{what}")]
    Io {
        /// What was being done, and the system's reason.
        what: String,
    },
}

impl Error {
    /// A stable, machine-readable name of the case.
    pub fn code(&self) -> &'static str {
        match self {
            Error::NotGguf { .. } => "not_gguf",
            Error::UnsupportedVersion { .. } => "unsupported_version",
            Error::Truncated { .. } => "truncated",
            Error::MalformedHeader { .. } => "malformed_header",
            Error::UnknownArchitecture { .. } => "unknown_architecture",
            Error::UnsupportedFormat { .. } => "unsupported_format",
            Error::MissingKey { .. } => "missing_key",
            Error::BadKey { .. } => "bad_key",
            Error::MissingTensor { .. } => "missing_tensor",
            Error::BadShape { .. } => "bad_shape",
            Error::ContextTooLong { .. } => "context_too_long",
            Error::ContextFull { .. } => "context_full",
            Error::OutOfMemory { .. } => "out_of_memory",
            Error::Tokenizer { .. } => "bad_tokenizer",
            Error::Template { .. } => "bad_template",
            Error::BadArgument { .. } => "bad_argument",
            Error::Grammar { .. } => "bad_grammar",
            Error::WrongState { .. } => "wrong_state",
            Error::Io { .. } => "io",
        }
    }
}
