//! The KV cache: its formats, and layers with a sliding window, which hold what the window reaches.

use smidgen::session::{CacheFormat, Engine, Request};

#[allow(dead_code)]
#[path = "family_model.rs"]
mod family_model;
use family_model::{Family, causal};
#[allow(dead_code)]
#[path = "replies.rs"]
mod replies;
use replies::{engine, family, request, text, together};

#[test]
fn eight_bits_cost_little_and_take_half() {
    for family in causal() {
        let ids = text(&family, 0, 150);
        let scores = |format| {
            let mut engine = engine(&family, 256, 256, format);
            let scores = engine.score(&ids).unwrap();
            (scores, engine.info().plan)
        };
        let (exact, halves) = scores(CacheFormat::F16);
        let (found, bytes) = scores(CacheFormat::Q8_0);
        let (wide, sixteen) = scores(CacheFormat::Q16_0);
        let name = &family.name;
        assert_eq!(
            bytes.total_bytes + halves.cache_bytes,
            halves.total_bytes + bytes.cache_bytes
        );
        // A choice of experts may turn over, so one token says little.
        let difference = |scores: &[(f32, u32)]| {
            let differences = exact.iter().zip(scores).map(|(a, b)| (a.0 - b.0).abs());
            differences.sum::<f32>() / ids.len() as f32
        };
        let (mean, of_sixteen) = (difference(&found), difference(&wide));
        println!(
            "{name}: {mean:.5} nat, {} of {} bytes; 16 bits {of_sixteen:.6}",
            bytes.cache_bytes, halves.cache_bytes
        );
        assert!(of_sixteen < 0.01, "{name}: {of_sixteen} nat in 16 bits");
        assert!(sixteen.cache_bytes >= halves.cache_bytes);
        if ["mamba2", "rwkv7"].contains(&name.as_str()) {
            assert_eq!(exact, found, "{name} has no keys and values");
            assert_eq!(bytes.cache_bytes, halves.cache_bytes);
            continue;
        }
        assert!(mean > 0.0 && mean < 0.1, "{name}: {mean} nat");
        assert!(bytes.cache_bytes < halves.cache_bytes);
    }
    // Heads of 32 numbers: 36 bytes in the place of 64, two heads, two layers, keys and values.
    let plan = engine(&family("qwen3-yarn"), 256, 256, CacheFormat::Q8_0)
        .info()
        .plan;
    assert_eq!(plan.cache_bytes, 256 * 36 * 2 * 2 * 2);
}

#[test]
fn eight_bits_say_the_same_in_slices_in_batches_and_from_bytes() {
    for name in ["qwen3-yarn", "gemma3", "granitehybrid", "smollm3"] {
        let family = family(name);
        let q8 = |cache| engine(&family, 300, cache, CacheFormat::Q8_0);
        let requests: Vec<_> = [(0, 170), (5, 40), (0, 171), (30, 3), (9, 1)]
            .map(|(from, len)| request(&text(&family, from, len), 20 + from))
            .into();
        let alone: Vec<_> = requests
            .iter()
            .map(|r| {
                together(&mut q8(300), core::slice::from_ref(r))
                    .remove(0)
                    .ids
            })
            .collect();
        for cache in [300, 1200] {
            let mut engine = q8(cache);
            for (answer, alone) in together(&mut engine, &requests).iter().zip(&alone) {
                assert_eq!(answer.ids, *alone, "{name}");
            }
        }
        let mut engine = q8(1200);
        let first = together(&mut engine, &requests[..1]).remove(0);
        let saved = engine.save();
        let mut other = q8(600);
        let tokens = other.restore(&saved).unwrap();
        assert_eq!(other.save(), saved);
        let mut ids = text(&family, 0, 170);
        ids.extend(&first.ids);
        assert_eq!(tokens, ids.len() - 1);
        let again = together(&mut other, &[request(&ids, 9)]).remove(0);
        assert_eq!(again.cached, tokens);
        assert_eq!(
            again.ids,
            together(&mut q8(300), &[request(&ids, 9)]).remove(0).ids
        );
        // What one format holds the other refuses, and stays as it was.
        let mut halves = halves_engine(&family);
        let refused = halves.restore(&saved).unwrap_err();
        assert_eq!(refused.code(), "bad_argument");
        assert!(refused.to_string().contains("cacheFormat"), "{refused}");
        together(&mut halves, &requests[..1]);
        assert_eq!(
            other.restore(&halves.save()).unwrap_err().code(),
            "bad_argument"
        );
    }
}

fn halves_engine(family: &Family) -> Engine {
    engine(family, 300, 600, CacheFormat::default())
}

/// Of the window of 24 positions, with a slice of 64 behind it and a block to go back: blocks that are held of one text.
const LIVE: usize = 3;

/// Bytes of a block of one layer of gemma3's: keys and values of one head of 32 numbers in q16_0.
const BLOCK_BYTES: usize = 128 * 2 * (64 + 4);

#[test]
fn windows_let_go_of_what_they_have_left_behind() {
    let family = family("gemma3");
    let (context, blocks) = (4200, 33);
    let ids = text(&family, 0, context);
    let mut engine_a = engine(&family, context, context, CacheFormat::default());
    // Five layers with a window have blocks for two texts, the sixth for all positions.
    let planned = (5 * 2 * LIVE + blocks) * BLOCK_BYTES;
    assert_eq!(engine_a.info().plan.cache_bytes, planned);
    assert!(planned < 6 * blocks * BLOCK_BYTES / 3);
    // Where ten more texts could be, nothing of one text has to go: the computation without.
    let cache = 11 * context;
    let mut whole = engine(&family, context, cache, CacheFormat::default());
    let all = cache.div_ceil(128);
    let planned = (5 * 12 * LIVE + all) * BLOCK_BYTES;
    assert_eq!(whole.info().plan.cache_bytes, planned);
    assert!(12 * LIVE >= blocks);
    let (found, expected) = (engine_a.score(&ids).unwrap(), whole.score(&ids).unwrap());
    assert_eq!(found, expected);
    let saved = engine_a.save();
    // Going back: a little costs nothing, far is evaluated again, and both come out the same.
    for (len, cached, held) in [(context - 60, context - 61, true), (2000, 0, false)] {
        let asked = [request(&ids[..len], 12)];
        let found = together(&mut engine_a, &asked).remove(0);
        let expected = together(&mut whole, &asked).remove(0);
        assert_eq!((found.cached, expected.cached), (cached, len - 1), "{held}");
        assert_eq!(found.ids, expected.ids);
    }
    // What is saved is what is held.
    assert!(saved.len() < 5 * LIVE * BLOCK_BYTES + (blocks + 1) * BLOCK_BYTES + 4 * context + 64);
    let asked = [request(&ids[..context - 30], 12)];
    let expected = together(&mut whole, &asked).remove(0);
    for engine in [&mut engine_a, &mut whole] {
        engine.reset();
        assert_eq!(engine.restore(&saved).unwrap(), context);
        let found = together(engine, &asked).remove(0);
        assert_eq!((found.cached, &found.ids), (context - 31, &expected.ids));
    }
    // Marks that no state has.
    for mark in 0..4 {
        for word in [1u32, 2, 29, 30, 33, 34, 128, u32::MAX] {
            let at = 20 + 4 * (context + mark);
            let mut state = saved.clone();
            if state[at..at + 4] != word.to_le_bytes() {
                state[at..at + 4].copy_from_slice(&word.to_le_bytes());
                assert_eq!(engine_a.restore(&state).unwrap_err().code(), "bad_argument");
            }
        }
    }
}

#[test]
fn texts_with_windows_share_go_back_and_wait_as_others_do() {
    let family = family("gemma3");
    let context = 1100;
    let base = text(&family, 0, 1000);
    let fork = |at: usize, more: usize| [&base[..at], &text(&family, at, more)].concat();
    let asked = [
        (text(&family, 7, 25), 420),
        (base[..140].to_vec(), 350),
        (base[..900].to_vec(), 150),
        (fork(850, 100), 60),
        (fork(130, 700), 40),
        (base[..700].to_vec(), 30),
        (fork(128, 5), 300),
        (base[..901].to_vec(), 60),
        (text(&family, 3, 20), 400),
    ];
    let requests: Vec<_> = asked.iter().map(|(ids, n)| request(ids, *n)).collect();
    let expected: Vec<_> = requests
        .iter()
        .map(|r| {
            let mut engine = engine(&family, context, 12 * context, CacheFormat::default());
            together(&mut engine, core::slice::from_ref(r))
                .remove(0)
                .ids
        })
        .collect();
    let mut pauses = 0;
    for cache in [context, 2 * context, 4 * context] {
        let mut engine = engine(&family, context, cache, CacheFormat::default());
        let free = engine.free_positions();
        assert!(free < cache, "windows have fewer blocks");
        for _ in 0..2 {
            for (answer, expected) in together(&mut engine, &requests).iter().zip(&expected) {
                assert_eq!(answer.ids, *expected, "{cache}");
                pauses += answer.pauses;
            }
        }
        // One after another, from what is held.
        for (request, expected) in requests.iter().zip(&expected) {
            let answer = together(&mut engine, core::slice::from_ref(request)).remove(0);
            assert_eq!(answer.ids, *expected);
        }
        engine.embed(&["A text"], None, Some(true)).unwrap();
        engine.reset();
        assert_eq!(engine.free_positions(), free);
    }
    assert!(pauses > 0, "memory was never short");
}

#[test]
fn windows_and_shifts_go_together() {
    let family = family("gemma3");
    let asked = Request {
        shift: true,
        ..request(&text(&family, 0, 1500), 900)
    };
    let asked = [asked];
    for format in [CacheFormat::Q16_0, CacheFormat::F16, CacheFormat::Q8_0] {
        let mut small = engine(&family, 1100, 1100, format);
        let mut large = engine(&family, 1100, 12 * 1100, format);
        let found = together(&mut small, &asked).remove(0);
        assert_eq!(found.ids, together(&mut large, &asked).remove(0).ids);
        let saved = small.save();
        small.reset();
        assert_eq!(small.restore(&saved).unwrap(), 1500 + 899);
        assert_eq!(small.save(), saved);
    }
}
