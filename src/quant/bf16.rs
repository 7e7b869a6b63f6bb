//! bf16: the upper half of an f32, a block of one.

/// The format's marker.
pub struct BF16;

impl super::BlockFormat for BF16 {
    const BLOCK_LEN: usize = 1;
    const BLOCK_BYTES: usize = 2;
    const QUANTISE: Option<super::Quantise> = Some(quantise);

    fn dequantise(block: &[u8], out: &mut [f32]) {
        out[0] = half::bf16::from_le_bytes([block[0], block[1]]).to_f32();
    }
}

fn quantise(x: &[f32], block: &mut [u8]) {
    block.copy_from_slice(&half::bf16::from_f32(x[0]).to_le_bytes());
}
