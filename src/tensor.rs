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
    at: usize,
}

impl Matrix {
    /// Bytes it takes in the arena.
    pub fn bytes(&self) -> usize {
        packed::packed_bytes(self.format, self.rows, self.cols)
    }
}

/// Where matrices will stand: laid out before anything is allocated, so that a plan is known before a download starts.
#[derive(Debug, Clone, Default)]
pub struct Layout {
    bytes: usize,
}

impl Layout {
    /// Room for a matrix.
    pub fn matrix(&mut self, format: Format, rows: usize, cols: usize) -> Matrix {
        let matrix = Matrix {
            format,
            rows,
            cols,
            at: self.bytes,
        };
        self.bytes += matrix.bytes().next_multiple_of(64);
        matrix
    }

    /// Bytes in all.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

/// The bytes of all matrices of a model.
pub struct Arena {
    bytes: Vec<u8>,
}

impl Arena {
    /// Allocates what `layout` planned, in one step.
    pub fn new(layout: &Layout) -> Result<Arena> {
        Ok(Arena {
            bytes: zeroed(layout.bytes)?,
        })
    }

    /// A matrix as the kernels read it.
    pub fn packed(&self, m: &Matrix) -> Packed<'_> {
        Packed {
            format: m.format,
            rows: m.rows,
            cols: m.cols,
            bytes: &self.bytes[m.at..m.at + m.bytes()],
        }
    }

    /// The bytes of the eight rows of group `group`, to pack them.
    pub fn group_mut(&mut self, m: &Matrix, group: usize) -> &mut [u8] {
        let bytes = packed::packed_bytes(m.format, packed::TILE_ROWS, m.cols);
        &mut self.bytes[m.at + group * bytes..][..bytes]
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
