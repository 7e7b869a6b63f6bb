//! Whole model files, damaged with fixed seeds, through the loader: each is refused or runs, none panics or hangs,
//! and none allocates more than it was allowed.

mod gguf_file;

use gguf_file::{GgufFile, Value};
use smidgen::session::{LoadOptions, Loader, Prefilled, Request};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::{Duration, Instant};

/// Bytes that a plan may reach here.
const LIMIT: usize = 16 << 20;
/// What reading takes beside the plan: the header, its copy, the vocabulary and the template.
const BESIDE: usize = 8 << 20;

struct Counting;

thread_local! {
    /// Bytes that this thread holds, and the most it has held.
    static HELD: Cell<(usize, usize)> = const { Cell::new((0, 0)) };
}

fn add(bytes: usize) {
    let _ = HELD.try_with(|held| {
        let now = held.get().0.saturating_add(bytes);
        held.set((now, held.get().1.max(now)));
    });
}

fn remove(bytes: usize) {
    let _ = HELD.try_with(|held| held.set((held.get().0.saturating_sub(bytes), held.get().1)));
}

unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        add(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        add(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        remove(layout.size());
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        add(size);
        remove(layout.size());
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const DIM: u64 = 32;
const HIDDEN: u64 = 64;

fn model() -> GgufFile {
    model_of(DIM, HIDDEN, 64)
}

/// A model of one layer with heads of 16 and a vocabulary of single letters.
fn model_of(dim: u64, hidden: u64, context: u64) -> GgufFile {
    let mut tokens: Vec<String> = (b'!'..=b'~').map(|b| char::from(b).to_string()).collect();
    tokens.extend(["Ġ", "Ċ", "ab", "<|im_start|>", "<|im_end|>"].map(String::from));
    let vocab = tokens.len() as u64;
    let mut types = vec![1; tokens.len()];
    types[tokens.len() - 2..].fill(3);
    let number = |key: &str, n: u64| (format!("llama.{key}"), Value::U32(n as u32));
    let mut file = GgufFile::new().str("general.architecture", "llama");
    file.keys.extend([
        number("context_length", context),
        number("embedding_length", dim),
        number("block_count", 1),
        number("feed_forward_length", hidden),
        number("attention.head_count", dim / 16),
        number("attention.head_count_kv", dim / 32),
        number("rope.dimension_count", 16),
    ]);
    let mut file = file
        .key("llama.attention.layer_norm_rms_epsilon", Value::F32(1e-5))
        .key("llama.rope.freq_base", Value::F32(10_000.0))
        .str("tokenizer.ggml.model", "gpt2")
        .str("tokenizer.ggml.pre", "gpt-2")
        .key("tokenizer.ggml.bos_token_id", Value::U32(vocab as u32 - 2))
        .key("tokenizer.ggml.eos_token_id", Value::U32(vocab as u32 - 1))
        .key("tokenizer.ggml.tokens", Value::Strs(tokens))
        .key("tokenizer.ggml.token_type", Value::I32s(types))
        .key("tokenizer.ggml.merges", Value::Strs(vec!["a b".into()]))
        .str(
            "tokenizer.chat_template",
            "{% for m in messages %}<|im_start|>{{ m.role }}Ċ{{ m.content }}<|im_end|>{% endfor %}",
        );
    let mut offset = 0;
    for (name, shape) in [
        ("token_embd.weight", vec![dim, vocab]),
        ("output_norm.weight", vec![dim]),
        ("blk.0.attn_norm.weight", vec![dim]),
        ("blk.0.attn_q.weight", vec![dim, dim]),
        ("blk.0.attn_k.weight", vec![dim, dim / 2]),
        ("blk.0.attn_v.weight", vec![dim, dim / 2]),
        ("blk.0.attn_output.weight", vec![dim, dim]),
        ("blk.0.ffn_norm.weight", vec![dim]),
        ("blk.0.ffn_gate.weight", vec![dim, hidden]),
        ("blk.0.ffn_up.weight", vec![dim, hidden]),
        ("blk.0.ffn_down.weight", vec![hidden, dim]),
    ] {
        file = file.tensor(name, &shape, 0, offset);
        offset += (4 * shape.iter().product::<u64>()).next_multiple_of(32);
    }
    file
}

/// `header` followed by as many weights as the undamaged model has.
fn whole(header: Vec<u8>) -> Vec<u8> {
    let mut bytes = header;
    bytes.resize(bytes.len().next_multiple_of(32), 0);
    let weights = 4 * (DIM * 99 + 2 * DIM + 3 * DIM * DIM + 3 * DIM * HIDDEN + DIM) as usize;
    bytes.extend((0..weights / 4).flat_map(|i| ((i % 7) as f32 * 0.01 - 0.03).to_le_bytes()));
    bytes.resize(bytes.len() + 4096, 0);
    bytes
}

/// Loads and says a few words; the code of the refusal otherwise.
fn run(bytes: &[u8]) -> Result<(), &'static str> {
    let load = || -> smidgen::Result<()> {
        let mut loader = Loader::new(LoadOptions {
            memory_limit: Some(LIMIT as u64),
            ..LoadOptions::default()
        });
        for part in bytes.chunks(1000) {
            loader.push(part)?;
        }
        let mut engine = loader.finish()?;
        let request = Request {
            messages: Some(vec![smidgen::chat::Message::new("user", "ab <|im_end|>")]),
            max_tokens: Some(3),
            ..Request::default()
        };
        let reply = engine.begin(&request)?.reply;
        while engine.prefill(reply, 64)? == Prefilled::More {}
        while engine.decode(reply)?.finish.is_none() {}
        Ok(())
    };
    let (held, _) = HELD.get();
    HELD.set((held, held));
    let start = Instant::now();
    let result = load();
    let (_, most) = HELD.get();
    assert!(most - held <= LIMIT + BESIDE, "{} bytes", most - held);
    assert!(
        start.elapsed() < Duration::from_secs(20),
        "{:?}",
        start.elapsed()
    );
    result.map_err(|error| {
        assert!(!error.to_string().is_empty());
        error.code()
    })
}

fn random() -> impl FnMut(usize) -> usize {
    let mut seed = 0xd1b5_4a32_d192_ed03u64;
    move |below| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed % below as u64) as usize
    }
}

fn rounds(few: usize, many: usize) -> usize {
    if std::env::var_os("SMIDGEN_FULL").is_some() {
        many
    } else {
        few
    }
}

#[test]
fn the_undamaged_model_runs() {
    assert_eq!(run(&whole(model().bytes())), Ok(()));
}

#[test]
fn every_number_may_be_any_other() {
    let numbers = [
        0,
        1,
        2,
        3,
        31,
        255,
        4095,
        65_536,
        1 << 20,
        1 << 24,
        (1 << 24) + 1,
        1 << 31,
        u32::MAX,
    ];
    let original = model();
    let mut refused = std::collections::BTreeSet::new();
    for (at, (_, value)) in original.keys.iter().enumerate() {
        if !matches!(value, Value::U32(_)) {
            continue;
        }
        for number in numbers {
            let mut file = original.clone();
            file.keys[at].1 = Value::U32(number);
            refused.extend(run(&whole(file.bytes())).err());
        }
    }
    for number in numbers
        .map(u64::from)
        .into_iter()
        .chain([1 << 40, u64::MAX / 4, u64::MAX])
    {
        for tensor in 0..original.tensors.len() {
            for dimension in 0..original.tensors[tensor].1.len() {
                let mut file = original.clone();
                file.tensors[tensor].1[dimension] = number;
                refused.extend(run(&whole(file.bytes())).err());
            }
            let mut file = original.clone();
            file.tensors[tensor].3 = number;
            refused.extend(run(&whole(file.bytes())).err());
        }
    }
    // All at once: the shapes fit each other, and only the plan can say no.
    for number in [1 << 12, 1 << 16, 1 << 20, 1 << 24] {
        for (dim, hidden, context) in [
            (number, HIDDEN, 64),
            (DIM, number, 64),
            (DIM, HIDDEN, number),
            (number, number, number),
        ] {
            let mut file = model_of(dim, hidden, context).bytes();
            file.resize(file.len() + 4096, 0);
            refused.extend(run(&file).err());
        }
    }
    for code in ["bad_key", "bad_shape", "truncated", "out_of_memory"] {
        assert!(refused.contains(code), "{refused:?}");
    }
}

#[test]
fn products_of_counts_are_checked_before_they_are_sizes() {
    let mut file = model();
    for (key, value) in &mut file.keys {
        if key.ends_with("head_count") || key.ends_with("head_count_kv") {
            *value = Value::U32(1 << 24);
        }
    }
    // 2³² values: none at all in the arithmetic of wasm.
    let file = file.key("llama.attention.key_length", Value::U32(256));
    assert_eq!(run(&whole(file.bytes())), Err("bad_key"));
}

#[test]
fn damaged_headers_are_refused_or_run() {
    let header = model().bytes();
    let mut random = random();
    let (mut ran, mut refused) = (0, 0);
    for _ in 0..rounds(3_000, 40_000) {
        let mut bytes = header.clone();
        for _ in 0..=random(3) {
            let at = random(bytes.len());
            match random(5) {
                0 => bytes[at] ^= 1 << random(8),
                1 => bytes[at] = random(256) as u8,
                2 => bytes[at] = bytes[random(bytes.len())],
                3 => drop(bytes.remove(at)),
                _ => bytes.truncate(at.max(1)),
            }
        }
        match run(&whole(bytes)) {
            Ok(()) => ran += 1,
            Err(_) => refused += 1,
        }
    }
    assert!(ran > 50 && refused > 500, "{ran} {refused}");
}
