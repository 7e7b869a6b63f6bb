//! The file of saved distributions: windows of ids, and what `fidelity::pack` made of their logits.
//!
//! Little-endian: "SMLG", then u32s: version 1, context, from, vocabulary, windows. Then for each window its ids
//! (context × u32) and, for the positions from..context − 1, vocabulary × f16 below the largest.

use super::model;
use smidgen::{Error, Result};
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

const MAGIC: &[u8; 4] = b"SMLG";
const VERSION: u32 = 1;

/// Writes such a file; it has its name once it is whole.
pub struct Writer {
    path: PathBuf,
    part: PathBuf,
    file: BufWriter<File>,
}

impl Writer {
    /// Starts the file.
    pub fn create(
        path: &Path,
        context: usize,
        from: usize,
        vocab: usize,
        windows: usize,
    ) -> Result<Writer> {
        let part = path.with_extension("part");
        let mut file = BufWriter::new(File::create(&part).map_err(|e| model::io(&part, &e))?);
        let mut header = MAGIC.to_vec();
        for n in [VERSION as usize, context, from, vocab, windows] {
            header.extend((n as u32).to_le_bytes());
        }
        file.write_all(&header).map_err(|e| model::io(&part, &e))?;
        Ok(Writer {
            path: path.into(),
            part,
            file,
        })
    }

    /// Adds a window.
    pub fn window(&mut self, ids: &[u32], packed: &[u8]) -> Result<()> {
        let ids: Vec<u8> = ids.iter().flat_map(|id| id.to_le_bytes()).collect();
        self.file
            .write_all(&ids)
            .and_then(|()| self.file.write_all(packed))
            .map_err(|e| model::io(&self.part, &e))
    }

    /// The last bytes, and the name.
    pub fn finish(mut self) -> Result<()> {
        self.file.flush().map_err(|e| model::io(&self.part, &e))?;
        std::fs::rename(&self.part, &self.path).map_err(|e| model::io(&self.path, &e))
    }
}

/// Such a file being read.
pub struct Saved {
    path: PathBuf,
    file: BufReader<File>,
    /// Tokens of a window.
    pub context: usize,
    /// The first position with a distribution.
    pub from: usize,
    /// Windows in all.
    pub windows: usize,
    vocab: usize,
    left: usize,
}

impl Saved {
    /// Reads the header.
    pub fn open(path: &Path) -> Result<Saved> {
        let mut file = BufReader::new(File::open(path).map_err(|e| model::io(path, &e))?);
        let mut header = [0; 24];
        file.read_exact(&mut header)
            .map_err(|e| model::io(path, &e))?;
        let n = |i: usize| {
            u32::from_le_bytes([header[i], header[i + 1], header[i + 2], header[i + 3]]) as usize
        };
        let (context, from, vocab, windows) = (n(8), n(12), n(16), n(20));
        let sizes = (2..=1 << 20).contains(&context) && from + 1 < context && vocab <= 1 << 22;
        if &header[..4] != MAGIC || n(4) != VERSION as usize || !sizes {
            return Err(Error::BadArgument {
                name: "logits".into(),
                found: format!("{}, which is something else", path.display()),
                expected: "a file that perplexity --save-logits has written".into(),
            });
        }
        Ok(Saved {
            path: path.into(),
            file,
            context,
            from,
            windows,
            vocab,
            left: windows,
        })
    }

    /// Refuses a model with another vocabulary.
    pub fn check(&self, vocab: usize) -> Result<()> {
        if vocab == self.vocab {
            return Ok(());
        }
        Err(Error::BadArgument {
            name: "logits".into(),
            found: format!("distributions over {} ids", self.vocab),
            expected: format!("over the model's {vocab}"),
        })
    }

    /// The next window's ids and distributions.
    pub fn window(&mut self) -> Result<Option<(Vec<u32>, Vec<u8>)>> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        let mut ids = vec![0; 4 * self.context];
        let mut packed = vec![0; 2 * self.vocab * (self.context - 1 - self.from)];
        self.file
            .read_exact(&mut ids)
            .and_then(|()| self.file.read_exact(&mut packed))
            .map_err(|e| model::io(&self.path, &e))?;
        let ids = ids
            .chunks_exact(4)
            .map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
            .collect();
        Ok(Some((ids, packed)))
    }
}
