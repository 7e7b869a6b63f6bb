//! f16: IEEE half precision, a block of one.

/// The format's marker.
pub struct F16;

impl super::BlockFormat for F16 {
    const BLOCK_LEN: usize = 1;
    const BLOCK_BYTES: usize = 2;
    const QUANTISE: Option<super::Quantise> = Some(quantise);

    fn dequantise(block: &[u8], out: &mut [f32]) {
        out[0] = super::read_f16(block, 0);
    }
}

fn quantise(x: &[f32], block: &mut [u8]) {
    super::write_f16(block, 0, x[0]);
}
