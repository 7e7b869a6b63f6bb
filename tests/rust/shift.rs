//! Contexts that are full and shifted: what is said behind a shift against a plain computation of the same rule, and that
//! nothing else held is touched.

use smidgen::session::{CacheFormat, Engine, Finish, Made, Prefilled, Request};

#[allow(dead_code)]
#[path = "family_model.rs"]
mod family_model;
use family_model::Family;
#[allow(dead_code)]
#[path = "replies.rs"]
mod replies;
use replies::{family, request, text, together};

/// Three blocks of 128 positions: the first is kept, and each shift forgets the second.
const CONTEXT: usize = 384;
const KEPT: usize = 128;
const FORGOTTEN: usize = 128;

fn engine(family: &Family, cache: usize) -> Engine {
    replies::engine(family, CONTEXT, cache, CacheFormat::default())
}

fn shifting(ids: &[u32], max_tokens: usize) -> Request {
    Request {
        shift: true,
        ..request(ids, max_tokens)
    }
}

fn alone(family: &Family, request: &Request) -> Vec<u32> {
    let mut engine = engine(family, CONTEXT);
    together(&mut engine, core::slice::from_ref(request))
        .remove(0)
        .ids
}

/// A llama of two layers as its paper has it, in f64: keys are kept as they are before they are turned, and turned by
/// their places among the positions that are left.
struct Plain {
    family: Family,
    /// [layers][positions left]: key and value.
    left: [Vec<[Vec<f64>; 2]>; 2],
    /// What each shift forgets behind the positions kept.
    forgotten: usize,
}

const HEADS: usize = 4;
const KV_HEADS: usize = 2;
const HEAD_DIM: usize = 16;

impl Plain {
    fn new(forgotten: usize) -> Plain {
        Plain {
            family: family("llama-linear"),
            left: [Vec::new(), Vec::new()],
            forgotten,
        }
    }

    fn weights(&self, name: &str) -> Vec<f64> {
        let tensor = self.family.tensor(name);
        tensor.values.iter().map(|v| f64::from(*v)).collect()
    }

    fn product(&self, name: &str, x: &[f64]) -> Vec<f64> {
        let weights = self.weights(name);
        weights
            .chunks_exact(x.len())
            .map(|row| dot(row, x))
            .collect()
    }

    fn norm(&self, name: &str, x: &[f64]) -> Vec<f64> {
        let size = (dot(x, x) / x.len() as f64 + 1e-5).sqrt();
        let weights = self.weights(name);
        x.iter().zip(weights).map(|(x, w)| x / size * w).collect()
    }

    /// The log-probabilities behind `id`.
    fn next(&mut self, id: u32) -> Vec<f64> {
        if self.left[0].len() == CONTEXT {
            for layer in &mut self.left {
                layer.drain(KEPT..KEPT + self.forgotten);
            }
        }
        let position = self.left[0].len();
        let embedding = self.weights("model.embed_tokens.weight");
        let mut x = embedding[id as usize * 64..][..64].to_vec();
        for layer in 0..2 {
            let name = |part: &str| format!("model.layers.{layer}.{part}.weight");
            let h = self.norm(&name("input_layernorm"), &x);
            let [q, k, v] = ["q", "k", "v"]
                .map(|part| self.product(&name(&format!("self_attn.{part}_proj")), &h));
            self.left[layer].push([k, v]);
            let mixed: Vec<f64> = (0..HEADS)
                .flat_map(|head| self.attend(layer, head, position, &q))
                .collect();
            add(&mut x, &self.product(&name("self_attn.o_proj"), &mixed));
            let h = self.norm(&name("post_attention_layernorm"), &x);
            let gate = self.product(&name("mlp.gate_proj"), &h);
            let up = self.product(&name("mlp.up_proj"), &h);
            let hidden = gate
                .iter()
                .zip(&up)
                .map(|(g, u)| g / (1.0 + (-g).exp()) * u);
            let hidden: Vec<f64> = hidden.collect();
            add(&mut x, &self.product(&name("mlp.down_proj"), &hidden));
        }
        let h = self.norm("model.norm.weight", &x);
        let logits: Vec<f64> = embedding.chunks_exact(64).map(|row| dot(row, &h)).collect();
        let sum = logits.iter().map(|l| l.exp()).sum::<f64>().ln();
        logits.iter().map(|l| l - sum).collect()
    }

    fn attend(&self, layer: usize, head: usize, position: usize, q: &[f64]) -> Vec<f64> {
        let q = turned(&q[head * HEAD_DIM..][..HEAD_DIM], position);
        let at = head / (HEADS / KV_HEADS) * HEAD_DIM;
        let left = &self.left[layer];
        let weights: Vec<f64> = left
            .iter()
            .enumerate()
            .map(|(i, [k, _])| (dot(&q, &turned(&k[at..at + HEAD_DIM], i)) / 4.0).exp())
            .collect();
        let sum: f64 = weights.iter().sum();
        let mix = |i: usize| {
            let terms = weights.iter().zip(left).map(|(w, [_, v])| w * v[at + i]);
            terms.sum::<f64>() / sum
        };
        (0..HEAD_DIM).map(mix).collect()
    }
}

/// Linear scaling by 4, base 10000, pairs in halves.
fn turned(head: &[f64], position: usize) -> Vec<f64> {
    let mut out = head.to_vec();
    let half = HEAD_DIM / 2;
    for i in 0..half {
        let angle = position as f64 / 4.0 * 10_000f64.powf(-2.0 * i as f64 / HEAD_DIM as f64);
        let (sin, cos) = angle.sin_cos();
        out[i] = head[i] * cos - head[half + i] * sin;
        out[half + i] = head[half + i] * cos + head[i] * sin;
    }
    out
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn add(x: &mut [f64], y: &[f64]) {
    x.iter_mut().zip(y).for_each(|(x, y)| *x += y);
}

/// Tokens and their log-probabilities, the prompt evaluated in slices of `most`.
fn said(engine: &mut Engine, request: &Request, most: usize) -> Vec<(u32, f32)> {
    let request = Request {
        logprobs: Some(0),
        ..request.clone()
    };
    let reply = engine.begin(&request).unwrap().reply;
    while engine.prefill(reply, most).unwrap() == Prefilled::More {}
    let mut said = Vec::new();
    loop {
        let step = engine.decode(reply).unwrap();
        said.push((step.id, step.logprobs[0].logprob));
        if step.finish.is_some() {
            return said;
        }
    }
}

/// How far `said` behind `prompt` is from what the plain computation expects: on average, and at most.
fn distance(mut plain: Plain, prompt: &[u32], said: &[(u32, f32)]) -> (f64, f64) {
    let mut expected = Vec::new();
    for id in prompt {
        expected = plain.next(*id);
    }
    let (mut sum, mut most) = (0.0, 0.0f64);
    for (id, logprob) in said {
        let far = (expected[*id as usize] - f64::from(*logprob)).abs();
        sum += far;
        most = most.max(far);
        expected = plain.next(*id);
    }
    (sum / said.len() as f64, most)
}

#[test]
fn what_is_said_behind_shifts_is_what_the_plain_computation_says() {
    let family = family("llama-linear");
    // Prompts within the context and beyond it, replies over several shifts.
    for (format, bound) in [
        (CacheFormat::Q16_0, 0.005),
        (CacheFormat::F16, 0.005),
        (CacheFormat::Q8_0, 0.05),
    ] {
        for (prompt, n) in [(300, 350), (700, 40)] {
            let ids = text(&family, 0, prompt);
            let request = Request {
                temperature: 1.0,
                seed: 3,
                ..shifting(&ids, n)
            };
            let mut engine = replies::engine(&family, CONTEXT, CONTEXT, format);
            let found = said(&mut engine, &request, 64);
            assert_eq!(found.len(), n);
            let (mean, most) = distance(Plain::new(FORGOTTEN), &ids, &found);
            println!("{format:?} {prompt}: {mean:.5} nat on average, {most:.5} at most");
            assert!(mean < bound && most < 10.0 * bound);
            // Another rule is farther away.
            let (other, _) = distance(Plain::new(FORGOTTEN / 2), &ids, &found);
            println!("forgetting half as much: {other:.5} nat");
            assert!(other > 0.1 && other > 2.0 * bound);
            for most in [7, 50] {
                engine.reset();
                assert_eq!(said(&mut engine, &request, most), found);
            }
        }
    }
}

#[test]
fn replies_longer_than_the_context_end() {
    let family = family("llama-linear");
    let ids = text(&family, 0, 100);
    let mut engine = engine(&family, CONTEXT);
    let tokens = |engine: &mut Engine, request: &Request| {
        let reply = engine.begin(request).unwrap().reply;
        while engine.prefill(reply, 64).unwrap() == Prefilled::More {}
        let mut texts = Vec::new();
        loop {
            let step = engine.decode(reply).unwrap();
            texts.push(step.text);
            if let Some(finish) = step.finish {
                return (texts, finish);
            }
        }
    };
    let request = Request {
        temperature: 1.0,
        ..shifting(&ids, 600)
    };
    let (texts, finish) = tokens(&mut engine, &request);
    assert_eq!((texts.len(), finish), (600, Finish::Length));
    // A text that comes behind two shifts, and not before.
    let (before, behind) = (texts[..560].concat(), texts[560..580].concat());
    assert!(behind.len() > 10 && !before.contains(&behind));
    let (texts, finish) = tokens(
        &mut engine,
        &Request {
            stop: vec![behind],
            ..request.clone()
        },
    );
    assert_eq!(finish, Finish::Stop);
    assert!((560..=580).contains(&texts.len()), "{}", texts.len());
    // Without a bound there is one all the same.
    let unbounded = Request {
        max_tokens: None,
        ..request
    };
    assert_eq!(tokens(&mut engine, &unbounded).0.len(), CONTEXT);
}

#[test]
fn a_shifted_conversation_goes_on_without_being_evaluated_again() {
    let family = family("smollm3");
    let mut ids = text(&family, 0, 300);
    let mut engine = engine(&family, CONTEXT);
    let first = together(&mut engine, &[shifting(&ids, 200)]).remove(0);
    ids.extend(&first.ids);
    ids.extend(text(&family, 5, 30));
    let ask = |engine: &mut Engine, request: Request| {
        let answer = together(engine, core::slice::from_ref(&request)).remove(0);
        assert_eq!(answer.ids, alone(&family, &request));
        answer.cached
    };
    // All but the last token of the reply has been evaluated.
    assert_eq!(ask(&mut engine, shifting(&ids, 20)), 499);
    // Also back to any point behind the last shift, and from bytes.
    assert_eq!(ask(&mut engine, shifting(&ids[..527], 20)), 526);
    let saved = engine.save();
    let mut other = replies::engine(&family, CONTEXT, 2 * CONTEXT, CacheFormat::default());
    let tokens = other.restore(&saved).unwrap();
    assert_eq!(other.save(), saved);
    assert_eq!(ask(&mut other, shifting(&ids[..527], 9)), 526);
    assert!(tokens > CONTEXT);
    // Before it, or by another rule, only what is kept stays.
    assert_eq!(ask(&mut other, shifting(&ids[..400], 20)), KEPT);
    let mut engine = replies::engine(&family, 512, 512, CacheFormat::default());
    together(&mut engine, &[shifting(&ids, 100)]);
    let keep = Request {
        keep_tokens: Some(129),
        ..shifting(&ids, 3)
    };
    assert_eq!(together(&mut engine, &[keep]).remove(0).cached, KEPT);
    // Marks that no state has, wherever they stand.
    let marks = saved.len() - saved.len() % 4;
    let mut refused = 0;
    for at in (0..marks.min(4 * (tokens + 9))).step_by(4) {
        for word in [0u32, 1, 127, 128, 256, 383, 384, 385, u32::MAX] {
            let mut state = saved.clone();
            state[at..at + 4].copy_from_slice(&word.to_le_bytes());
            refused += usize::from(other.restore(&state).is_err());
        }
    }
    assert!(refused > 20);
    let free = engine.free_positions();
    engine.reset();
    assert!(engine.free_positions() > free);
}

#[test]
fn a_shift_touches_nothing_that_others_hold() {
    for name in ["llama-linear", "qwen3-yarn", "gemma3", "phi3"] {
        let family = family(name);
        let ids = text(&family, 0, 250);
        // They begin alike and part at different places, also within a block; some never outgrow the context.
        let mut requests = vec![shifting(&ids, 300), request(&ids, 90)];
        requests.push(shifting(
            &[&ids[..200], &text(&family, 9, 300)].concat(),
            150,
        ));
        requests.push(request(&[&ids[..249], &text(&family, 2, 20)].concat(), 100));
        requests.push(shifting(&ids, 300));
        let expected: Vec<_> = requests.iter().map(|r| alone(&family, r)).collect();
        let mut pauses = 0;
        for cache in [CONTEXT, 2 * CONTEXT, 8 * CONTEXT] {
            let mut engine = engine(&family, cache);
            let free = engine.free_positions();
            // Held, in the same memory as what is shifted.
            let before = together(&mut engine, &[request(&ids, 40)]).remove(0);
            let answers = together(&mut engine, &requests);
            for (answer, expected) in answers.iter().zip(&expected) {
                assert_eq!(answer.ids, *expected, "{name} {cache}");
                pauses += answer.pauses;
            }
            let again = together(&mut engine, &[request(&ids, 40)]).remove(0);
            assert_eq!(again.ids, before.ids);
            if cache > 2 * CONTEXT {
                assert_eq!(again.cached, 249, "what was held is held still");
            }
            engine.reset();
            assert_eq!(engine.free_positions(), free);
        }
        assert!(pauses > 0, "memory was never short");
    }
}

#[test]
fn what_cannot_shift_says_so_and_changes_nothing() {
    for name in ["lfm2", "mamba2", "rwkv7", "granitehybrid", "falcon-h1"] {
        let family = family(name);
        let mut engine = engine(&family, CONTEXT);
        let ids = text(&family, 0, 20);
        let refused = engine.begin(&shifting(&ids, 5)).unwrap_err();
        assert_eq!(refused.code(), "wrong_state");
        together(&mut engine, &[request(&ids, 5)]);
    }
    let family = family("smollm3");
    let ids = text(&family, 0, 20);
    let mut short = replies::engine(&family, CONTEXT - 1, CONTEXT - 1, CacheFormat::default());
    assert_eq!(
        short.begin(&shifting(&ids, 5)).unwrap_err().code(),
        "bad_argument"
    );
    let mut engine = engine(&family, CONTEXT);
    for keep in [KEPT + 1, CONTEXT, usize::MAX] {
        let request = Request {
            keep_tokens: Some(keep),
            ..shifting(&ids, 5)
        };
        assert_eq!(engine.begin(&request).unwrap_err().code(), "bad_argument");
    }
    let long = engine.begin(&request(&text(&family, 0, CONTEXT), 5));
    assert_eq!(long.unwrap_err().code(), "context_full");
    let reply = engine
        .begin(&shifting(&text(&family, 0, CONTEXT), 5))
        .unwrap()
        .reply;
    while engine.prefill(reply, 64).unwrap() == Prefilled::More {}
    assert!(matches!(
        &engine.step(&[(reply, None)]).unwrap()[..],
        [Made::Token(_)]
    ));
}
