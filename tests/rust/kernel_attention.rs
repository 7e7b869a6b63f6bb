//! Attention over the formats of the KV cache against sums in f64; a part of `kernels.rs`.

use super::{F32_SUM, Random};
use smidgen::kernels::Isa;
use smidgen::kernels::attention::{
    Bias, CHUNK, CacheFormat, Chunk, Query, attend, load_key, load_value, store_key, store_value,
};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// What a number may lose in the cache, relative to the largest of its head: half a step of 1/32000 of a
/// head's length (of up to 256 numbers), the 11 bits of f16, half a step of 1/127.
fn cache_rounding(format: CacheFormat) -> f32 {
    match format {
        CacheFormat::Q16_0 => 0.501 * 16.0 / 32_000.0,
        CacheFormat::F16 => 1.0 / 2048.0,
        CacheFormat::Q8_0 => 0.501 / 127.0,
    }
}

/// Σ softmax(q · k + bias) v over the positions that count, not divided by the softmax's sum; and its maximum and sum.
fn exact_attention(
    q: &[f32],
    keys: &[Vec<f32>],
    values: &[Vec<f32>],
    bias: impl Fn(usize) -> f32,
    cap: f64,
) -> (f64, f64, Vec<f64>) {
    let scores = keys.iter().enumerate().map(|(i, k)| {
        let terms = q.iter().zip(k);
        let score: f64 = terms.map(|(q, k)| f64::from(*q) * f64::from(*k)).sum();
        let score = score + f64::from(bias(i));
        if cap > 0.0 {
            cap * (score / cap).tanh()
        } else {
            score
        }
    });
    let scores: Vec<f64> = scores.collect();
    let max = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> = scores.iter().map(|s| (s - max).exp()).collect();
    let mixed = (0..q.len()).map(|i| {
        let terms = weights.iter().zip(values);
        terms.map(|(w, v)| w * f64::from(v[i])).sum()
    });
    (max, weights.iter().sum(), mixed.collect())
}

#[test]
fn attention_over_all_formats_of_the_cache_is_exact() {
    let mut random = Random(7);
    for format in [CacheFormat::Q16_0, CacheFormat::F16, CacheFormat::Q8_0] {
        for head_dim in [2, 16, 34, 64, 80, 128, 256] {
            let mut head = || -> Vec<f32> { (0..head_dim).map(|_| random.number()).collect() };
            let mut bytes = [0, 1].map(|_| vec![0xA5; CHUNK * format.bytes(head_dim)]);
            let mut rounded = [Vec::new(), Vec::new()];
            for position in 0..CHUNK {
                let (k, v) = (head(), head());
                store_key(format, &mut bytes[0], &k, position);
                store_value(format, &mut bytes[1], &v, position);
                for (i, x) in [k, v].into_iter().enumerate() {
                    let mut loaded = vec![0.0; head_dim];
                    let load = [load_key, load_value][i];
                    load(format, &bytes[i], position, &mut loaded);
                    let largest = x.iter().fold(0.0f32, |max, x| max.max(x.abs()));
                    for (x, loaded) in x.iter().zip(&loaded) {
                        assert!((x - loaded).abs() <= cache_rounding(format) * largest);
                    }
                    rounded[i].push(loaded);
                }
            }
            let [keys, values] = &rounded;
            let biases: Vec<f32> = (0..2 * CHUNK)
                .map(|i| (i * 37 % 64) as f32 / 16.0)
                .collect();
            for group in 1..=4 {
                let q: Vec<f32> = (0..group).flat_map(|_| head()).collect();
                for (begin, end) in [(0, 1), (0, 8), (3, 9), (7, 64), (0, 121), (5, 128)] {
                    let bias = Bias {
                        values: &biases,
                        starts: [3, 0, 40, CHUNK],
                    };
                    let chunk = |bias| Chunk {
                        format,
                        keys: &bytes[0],
                        values: &bytes[1],
                        begin,
                        end,
                        bias,
                    };
                    let ways = [
                        (0.0, None),
                        (5.0, None),
                        (0.0, Some(bias)),
                        (5.0, Some(bias)),
                    ];
                    let ways =
                        ways.map(|(cap, bias)| Isa::ALL.iter().map(move |isa| (isa, cap, bias)));
                    for (isa, cap, bias) in ways.into_iter().flatten() {
                        let chunk = chunk(bias);
                        let mut out = vec![f32::NAN; group * head_dim];
                        let query = Query::new(*isa, format, &q, head_dim);
                        let state = attend(&query, &chunk, cap, &mut out);
                        for h in 0..group {
                            let (max, sum, mixed) = exact_attention(
                                &q[h * head_dim..][..head_dim],
                                &keys[begin..end],
                                &values[begin..end],
                                |i| bias.map_or(0.0, |b| b.values[b.starts[h] + begin + i]),
                                f64::from(cap),
                            );
                            let close = |found: f32, exact: f64, size: f64| {
                                assert!(
                                    (f64::from(found) - exact).abs() <= 10.0 * F32_SUM * size,
                                    "{isa:?} {format:?} {head_dim} {begin}..{end}: {found} {exact}"
                                );
                            };
                            close(state.max[h], max, head_dim as f64);
                            close(state.sum[h], sum, head_dim as f64 * sum);
                            for (found, exact) in out[h * head_dim..].iter().zip(mixed) {
                                close(*found, exact, head_dim as f64 * sum);
                            }
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn q16_is_as_exact_as_halves() {
    let mut random = Random(11);
    let head_dim = 64;
    for seen in [1, 9, 128] {
        for isa in Isa::ALL {
            let mut errors = [CacheFormat::Q16_0, CacheFormat::F16].map(|format| (format, 0.0));
            for _ in 0..20 {
                // Keys have channels that are far larger than the others.
                let mut head = |outlier: f32| -> Vec<f32> {
                    let x =
                        (0..head_dim).map(|i| random.number() * if i == 3 { outlier } else { 1.0 });
                    x.collect()
                };
                let q = head(1.0);
                let keys: Vec<_> = (0..seen).map(|_| head(20.0)).collect();
                let values: Vec<_> = (0..seen).map(|_| head(2.0)).collect();
                let (_, sum, mixed) = exact_attention(&q, &keys, &values, |_| 0.0, 0.0);
                for (format, error) in &mut errors {
                    let mut bytes = [0, 1].map(|_| vec![0; CHUNK * format.bytes(head_dim)]);
                    for (position, (k, v)) in keys.iter().zip(&values).enumerate() {
                        store_key(*format, &mut bytes[0], k, position);
                        store_value(*format, &mut bytes[1], v, position);
                    }
                    let chunk = Chunk {
                        format: *format,
                        keys: &bytes[0],
                        values: &bytes[1],
                        begin: 0,
                        end: seen,
                        bias: None,
                    };
                    let mut out = vec![0.0; head_dim];
                    let query = Query::new(*isa, *format, &q, head_dim);
                    let state = attend(&query, &chunk, 0.0, &mut out);
                    for (found, exact) in out.iter().zip(&mixed) {
                        let difference = f64::from(*found) / f64::from(state.sum[0]) - exact / sum;
                        *error += difference * difference;
                    }
                }
            }
            let [(_, q16), (_, halves)] = errors;
            println!(
                "{isa:?}, {seen} positions: {:.2} of the error of f16",
                (q16 / halves).sqrt()
            );
            assert!(
                q16 < 1.5 * halves,
                "{isa:?}, {seen} positions: {q16} > {halves}"
            );
        }
    }
}
