//! The texts that tokenizers are compared on, and the hashes that stand for ids.

use serde_json::Value as Json;

/// The texts of `tests/golden/tokenizer/texts.jsonl` or a file like it, each with what follows on its line.
pub fn texts(golden: &str) -> impl Iterator<Item = (String, Vec<String>)> {
    golden.lines().skip(1).map(|line| {
        let row: Vec<Json> = serde_json::from_str(line).unwrap();
        let text = row[0].as_str().unwrap();
        let repeats = row[1].as_u64().unwrap() as usize;
        let hashes = row[2..].iter().map(|h| h.as_str().unwrap().to_owned());
        (text.repeat(repeats), hashes.collect())
    })
}

/// FNV-1a over little-endian ids, as the golden files have it.
pub fn hash<'i>(ids: impl IntoIterator<Item = &'i u32>) -> String {
    let bytes = ids.into_iter().flat_map(|id| id.to_le_bytes());
    let hash = bytes.fold(0x811c_9dc5u32, |h, byte| {
        (h ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    format!("{hash:08x}")
}

/// The start of a text, for messages.
pub fn shorten(text: &str) -> String {
    text.chars().take(200).collect()
}
