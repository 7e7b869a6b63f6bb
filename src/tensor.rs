//! The weight arena and the matrices in it: every weight of a model stands once, packed, in a few allocations.
#![allow(unsafe_code)]

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

/// No part outgrows this by more than its last matrix: an allocation has to stay below half of the address space, and a
/// model may take nearly all of it.
pub const PART_BYTES: u64 = 1 << 30;

/// Where matrices will stand: laid out before anything is allocated, so that a plan is known before a download starts.
/// A model in several files has its own parts for each, as only its header says what comes.
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
        if self.parts.last().is_some_and(|bytes| *bytes >= PART_BYTES) {
            self.part();
        }
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

/// A line of the cache: what matrices are aligned to.
#[repr(C, align(64))]
#[derive(Debug, Clone, Copy)]
pub struct Line(pub [u8; 64]);

impl Line {
    /// The bytes of `lines`.
    pub fn bytes(lines: &[Line]) -> &[u8] {
        // SAFETY: lines are nothing but bytes, one after the other.
        unsafe { core::slice::from_raw_parts(lines.as_ptr().cast(), size_of_val(lines)) }
    }

    /// The bytes of `lines`.
    pub fn bytes_mut(lines: &mut [Line]) -> &mut [u8] {
        // SAFETY: as above.
        unsafe { core::slice::from_raw_parts_mut(lines.as_mut_ptr().cast(), size_of_val(lines)) }
    }
}

/// The bytes of all matrices of a model.
#[derive(Default)]
pub struct Arena {
    parts: Vec<Vec<Line>>,
}

impl Arena {
    /// Allocates the parts of `layout` that are not allocated yet, each in one step.
    pub fn grow(&mut self, layout: &Layout) -> Result<()> {
        let refused = |needed: u64, available: usize| Error::OutOfMemory {
            needed,
            available: available as u64,
        };
        if layout.bytes() > usize::MAX as u64 {
            return Err(refused(layout.bytes(), usize::MAX));
        }
        for bytes in &layout.parts[self.parts.len()..] {
            let n = usize::try_from(*bytes)
                .ok()
                .filter(|n| *n <= isize::MAX as usize);
            let n = n.ok_or(refused(*bytes, isize::MAX as usize))?;
            self.parts.push(zeroed(n.div_ceil(64))?);
        }
        Ok(())
    }

    /// A matrix as the kernels read it.
    pub fn packed(&self, m: &Matrix) -> Packed<'_> {
        Packed {
            format: m.format,
            rows: m.rows,
            cols: m.cols,
            bytes: &Line::bytes(&self.parts[m.part])[m.at..m.at + m.bytes()],
        }
    }

    /// The bytes of the eight rows of group `group`, to pack them.
    pub fn group_mut(&mut self, m: &Matrix, group: usize) -> &mut [u8] {
        let bytes = packed::packed_bytes(m.format, packed::TILE_ROWS, m.cols);
        &mut Line::bytes_mut(&mut self.parts[m.part])[m.at + group * bytes..][..bytes]
    }

    /// Row `row` of a matrix in f32 → `out` (cols).
    pub fn row(&self, m: &Matrix, row: usize, out: &mut [f32]) {
        packed::unpack_row(m.format, self.packed(m).bytes, row, out);
    }
}

/// Types of which all bits zero are the number zero.
///
/// # Safety
/// They are.
pub unsafe trait Zero: Copy {}
// SAFETY: integers and floats.
unsafe impl Zero for u8 {}
// SAFETY: as above.
unsafe impl Zero for u16 {}
// SAFETY: as above.
unsafe impl Zero for f32 {}
// SAFETY: bytes.
unsafe impl Zero for Line {}

/// `n` zeros, or the error that there is no room for them. Pages that nobody has touched stay so: a cache for a long
/// context costs memory only as far as it is filled.
pub fn zeroed<T: Zero>(n: usize) -> Result<Vec<T>> {
    let no_room = || Error::OutOfMemory {
        needed: (n as u64).saturating_mul(size_of::<T>() as u64),
        available: 0,
    };
    let layout = core::alloc::Layout::array::<T>(n).map_err(|_| no_room())?;
    if layout.size() == 0 {
        return Ok(Vec::new());
    }
    // SAFETY: the layout is not empty.
    let at = unsafe { zeros(layout) }.cast::<T>();
    if at.is_null() {
        return Err(no_room());
    }
    // SAFETY: allocated just so, and all zero.
    Ok(unsafe { Vec::from_raw_parts(at, n, n) })
}

#[cfg(not(target_arch = "wasm32"))]
unsafe fn zeros(layout: core::alloc::Layout) -> *mut u8 {
    // SAFETY: the caller's.
    unsafe { std::alloc::alloc_zeroed(layout) }
}

/// The allocator would clear what it has just got from `memory.grow`, which is zero. No other thread allocates
/// meanwhile: the pool's threads never do.
#[cfg(target_arch = "wasm32")]
unsafe fn zeros(layout: core::alloc::Layout) -> *mut u8 {
    const PAGE: usize = 1 << 16;
    let grown_from = core::arch::wasm32::memory_size(0) * PAGE;
    // SAFETY: the caller's; what is cleared lies in the allocation.
    unsafe {
        let at = std::alloc::alloc(layout);
        if !at.is_null() {
            let old = grown_from.saturating_sub(at as usize).min(layout.size());
            at.write_bytes(0, old);
        }
        at
    }
}
