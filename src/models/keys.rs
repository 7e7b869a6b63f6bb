//! The keys of one architecture in a file's metadata: `NAME.key`, checked against what can be computed.

use crate::error::{Error, Result};
use crate::format::Metadata;
use crate::transformer::{Pooling, Reader};

/// Whether embeddings get the length 1, a key of our own.
pub(super) const NORMALISES: &str = "smidgen.embeddings_normalised";

/// Metadata under one prefix.
#[derive(Clone, Copy)]
pub(super) struct Keys<'a> {
    pub meta: &'a Metadata,
    pub name: &'static str,
}

impl Keys<'_> {
    /// The whole key.
    pub fn key(&self, key: &str) -> String {
        format!("{}.{key}", self.name)
    }

    /// The error that `key` is `found`.
    pub fn bad<T>(
        &self,
        key: &str,
        found: impl ToString,
        expected: impl Into<String>,
    ) -> Result<T> {
        Err(Error::BadKey {
            key: self.key(key),
            found: found.to_string(),
            expected: expected.into(),
        })
    }

    /// A count, at least 1 and small enough that products of a few cannot overflow.
    #[inline(never)]
    pub fn count(&self, key: &str) -> Result<Option<usize>> {
        match self.meta.u32(&self.key(key))? {
            None => Ok(None),
            Some(n @ 1..=16_777_216) => Ok(Some(n as usize)),
            Some(n) => self.bad(key, n, "1 to 16777216"),
        }
    }

    /// A count that has to be there.
    #[inline(never)]
    pub fn require(&self, key: &str) -> Result<usize> {
        self.count(key)?
            .ok_or_else(|| Error::MissingKey { key: self.key(key) })
    }

    /// A number for each of `n` layers, from a list or one for all.
    pub fn each(&self, key: &str, n: usize) -> Result<Option<Vec<u32>>> {
        let whole = self.key(key);
        if let Ok(one) = self.meta.u32(&whole) {
            return Ok(one.map(|one| vec![one; n]));
        }
        match self.meta.u32s(&whole)? {
            Some(list) if list.len() == n => Ok(Some(list)),
            Some(list) => self.bad(
                key,
                format!("{} layers", list.len()),
                format!("{n} of them"),
            ),
            None => Ok(None),
        }
    }

    /// A finite number.
    #[inline(never)]
    pub fn number(&self, key: &str) -> Result<Option<f32>> {
        match self.meta.f32(&self.key(key))? {
            Some(x) if !x.is_finite() => self.bad(key, x, "a finite number"),
            x => Ok(x),
        }
    }

    /// A number over 0.
    #[inline(never)]
    pub fn positive(&self, key: &str) -> Result<Option<f32>> {
        match self.number(key)? {
            Some(x) if x <= 0.0 => self.bad(key, x, "a number over 0"),
            x => Ok(x),
        }
    }

    /// How the tokens of a text become one vector, where the file says that (0 and 4 say that they do not).
    pub fn pooling(&self) -> Result<Option<Pooling>> {
        const KEY: &str = "pooling_type";
        match self.meta.u32(&self.key(KEY))? {
            None | Some(0 | 4) => Ok(None),
            Some(1) => Ok(Some(Pooling::Mean)),
            Some(2) => Ok(Some(Pooling::First)),
            Some(3) => Ok(Some(Pooling::Last)),
            Some(n) => self.bad(
                KEY,
                n,
                "0 (none), 1 (mean), 2 (first), 3 (last) or 4 (rank)",
            ),
        }
    }

    /// Whether a text's vector gets the length 1.
    pub fn normalises(&self) -> Result<bool> {
        Ok(self.meta.bool(NORMALISES)?.unwrap_or(true))
    }

    /// What is made of a text by a model that writes.
    pub fn reader(&self) -> Result<Reader> {
        Ok(Reader {
            pooling: self.pooling()?.unwrap_or(Pooling::Last),
            normalises: self.normalises()?,
            ..Reader::PLAIN
        })
    }

    /// A text.
    pub fn str(&self, key: &str) -> Result<Option<&str>> {
        self.meta.str(&self.key(key))
    }

    /// Which of `n` layers something holds for: a list, or the length of a cycle whose last layer it does not hold for
    /// (0: it holds for all).
    pub fn pattern(&self, key: &str, n: usize, cycle: usize) -> Result<Vec<bool>> {
        let whole = self.key(key);
        let cycle = match self.meta.u32(&whole) {
            Ok(n) => n.map_or(cycle, |n| n as usize),
            Err(_) => {
                let list = self.meta.bools(&whole)?.unwrap_or_default();
                if list.len() != n {
                    return self.bad(
                        key,
                        format!("{} layers", list.len()),
                        format!("{n} of them"),
                    );
                }
                return Ok(list);
            }
        };
        Ok((0..n)
            .map(|i| cycle == 0 || i % cycle < cycle - 1)
            .collect())
    }
}
