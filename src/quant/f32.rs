//! f32: plain little-endian single precision, a block of one.

/// The format's marker.
pub struct F32;

impl super::BlockFormat for F32 {
    const BLOCK_LEN: usize = 1;
    const BLOCK_BYTES: usize = 4;
    const QUANTISE: Option<super::Quantise> = Some(quantise);

    fn dequantise(block: &[u8], out: &mut [f32]) {
        out[0] = f32::from_le_bytes([block[0], block[1], block[2], block[3]]);
    }
}

fn quantise(x: &[f32], block: &mut [u8]) {
    block.copy_from_slice(&x[0].to_le_bytes());
}
