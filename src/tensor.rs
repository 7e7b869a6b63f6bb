//! The weight arena and the matrices in it: every weight of a model stands once, packed, in one allocation.

use crate::error::{Error, Result};
use crate::kernels::{Packed, packed};
use crate::quant::Format;

/// A packed matrix [rows, cols] by its place in an [`Arena`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Matrix {
    /// The format it was packed from.
    pub format: Format,
    /// Outputs.
    pub rows: usize,
    /// Inputs.
    pub cols: usize,
    /// The part of the arena that holds it, and where.
    part: usize,
    at: usize,
}

impl Matrix {
    /// Bytes it takes in the arena.
    pub fn bytes(&self) -> usize {
        packed::packed_bytes(self.format, self.rows, self.cols)
    }
}

/// Where matrices will stand: laid out before anything is allocated, so that a plan is known before a download starts.
/// A model in several files has one part for each, as only its header says what comes.
#[derive(Debug, Clone, Default)]
pub struct Layout {
    /// Bytes of each part; the last one grows. Sizes come from untrusted headers and may exceed the address space.
    parts: Vec<u64>,
}

impl Layout {
    /// Starts a further part.
    pub fn part(&mut self) {
        self.parts.push(0);
    }

    /// Room for a matrix in the last part. Its place holds only if [`Arena::grow`] succeeds.
    pub fn matrix(&mut self, format: Format, rows: usize, cols: usize) -> Matrix {
        let part = self.parts.len() - 1;
        let matrix = Matrix {
            format,
            rows,
            cols,
            part,
            at: self.parts[part] as usize,
        };
        self.parts[part] += matrix_bytes(format, rows, cols);
        matrix
    }

    /// Bytes in all.
    pub fn bytes(&self) -> u64 {
        self.parts.iter().sum()
    }
}

/// Bytes that a matrix takes in an arena, in a width that no header can overflow.
pub fn matrix_bytes(format: Format, rows: usize, cols: usize) -> u64 {
    let group = packed::packed_bytes(format, packed::TILE_ROWS, cols) as u64;
    (group * rows.div_ceil(packed::TILE_ROWS) as u64).next_multiple_of(64)
}

/// The bytes of all matrices of a model.
#[derive(Default)]
pub struct Arena {
    parts: Vec<Vec<u8>>,
}

impl Arena {
    /// Allocates the parts of `layout` that are not allocated yet, each in one step.
    pub fn grow(&mut self, layout: &Layout) -> Result<()> {
        for bytes in &layout.parts[self.parts.len()..] {
            let n = usize::try_from(*bytes)
                .ok()
                .filter(|n| *n <= isize::MAX as usize);
            let n = n.ok_or(Error::OutOfMemory {
                needed: *bytes,
                available: isize::MAX as u64,
            })?;
            self.parts.push(zeroed(n)?);
        }
        Ok(())
    }

    /// A matrix as the kernels read it.
    pub fn packed(&self, m: &Matrix) -> Packed<'_> {
        Packed {
            format: m.format,
            rows: m.rows,
            cols: m.cols,
            bytes: &self.parts[m.part][m.at..m.at + m.bytes()],
        }
    }

    /// The bytes of the eight rows of group `group`, to pack them.
    pub fn group_mut(&mut self, m: &Matrix, group: usize) -> &mut [u8] {
        let bytes = packed::packed_bytes(m.format, packed::TILE_ROWS, m.cols);
        &mut self.parts[m.part][m.at + group * bytes..][..bytes]
    }

    /// Row `row` of a matrix in f32 → `out` (cols).
    pub fn row(&self, m: &Matrix, row: usize, out: &mut [f32]) {
        packed::unpack_row(m.format, self.packed(m).bytes, row, out);
    }
}

/// `n` zeros, or the error that there is no room for them.
pub fn zeroed<T: Clone + Default>(n: usize) -> Result<Vec<T>> {
    let bytes = (n as u64).saturating_mul(size_of::<T>() as u64);
    let mut v = Vec::new();
    v.try_reserve_exact(n).map_err(|_| Error::OutOfMemory {
        needed: bytes,
        available: 0,
    })?;
    v.resize(n, T::default());
    Ok(v)
}
