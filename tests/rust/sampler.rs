//! The sampler against a straightforward f64 computation, its seeds, and logits nobody should send it.

use smidgen::Error;
use smidgen::sampler::{Params, Sampler};

/// Every stage off, plain sampling from the softmax.
fn plain() -> Params {
    Params {
        temperature: 1.0,
        top_k: 0,
        top_p: 1.0,
        min_p: 0.0,
        repetition_penalty: 1.0,
        repetition_window: 64,
        frequency_penalty: 0.0,
        presence_penalty: 0.0,
        seed: 7,
    }
}

/// Logits with a known spread, from a fixed linear congruential sequence.
fn logits(n: usize, mut state: u64) -> Vec<f32> {
    let mut next = || {
        state = state
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (state >> 40) as f32 / (1 << 24) as f32
    };
    (0..n)
        .map(|_| (next() + next() + next() + next() - 2.0) * 6.0)
        .collect()
}

/// The chain in f64 with a full sort: (id, probability), zero entries left out.
fn reference(params: &Params, logits: &[f32], recent: &[u32]) -> Vec<f64> {
    let mut l: Vec<f64> = logits.iter().map(|v| f64::from(*v)).collect();
    let window = &recent[recent.len().saturating_sub(params.repetition_window)..];
    for (id, l) in l.iter_mut().enumerate() {
        let count = window.iter().filter(|r| **r as usize == id).count();
        if count > 0 {
            let penalty = f64::from(params.repetition_penalty);
            *l = if *l > 0.0 { *l / penalty } else { *l * penalty };
            *l -= count as f64 * f64::from(params.frequency_penalty)
                + f64::from(params.presence_penalty);
        }
    }
    let mut order: Vec<usize> = (0..l.len()).collect();
    order.sort_by(|a, b| l[*b].total_cmp(&l[*a]).then(a.cmp(b)));
    if params.top_k > 0 {
        order.truncate(params.top_k);
    }
    let softmax = |order: &[usize], t: f64| -> Vec<f64> {
        let max = l[order[0]];
        let w: Vec<f64> = order.iter().map(|i| ((l[*i] - max) / t).exp()).collect();
        let total: f64 = w.iter().sum();
        w.iter().map(|w| w / total).collect()
    };
    if params.top_p < 1.0 {
        let p = softmax(&order, 1.0);
        let mut sum = 0.0;
        let reached = p.iter().position(|p| {
            sum += p;
            sum >= f64::from(params.top_p)
        });
        order.truncate(reached.map_or(order.len(), |i| i + 1));
    }
    let p = softmax(&order, 1.0);
    let keep = p
        .iter()
        .filter(|q| **q >= f64::from(params.min_p) * p[0])
        .count();
    order.truncate(keep);
    let p = softmax(&order, f64::from(params.temperature));
    let mut out = vec![0.0; l.len()];
    for (i, p) in order.iter().zip(p) {
        out[*i] = p;
    }
    out
}

/// Draws many ids and compares how often each came with its probability.
fn check_distribution(params: Params, logits: &[f32], recent: &[u32]) {
    const DRAWS: u32 = 4_000;
    let expected = reference(&params, logits, recent);
    let mut sampler = Sampler::new(params.clone(), logits.len()).unwrap();
    let mut drawn = vec![0u32; logits.len()];
    for _ in 0..DRAWS {
        let id = sampler.sample(&mut logits.to_vec(), recent);
        drawn[id as usize] += 1;
    }
    for (id, (drawn, p)) in drawn.iter().zip(&expected).enumerate() {
        if *p == 0.0 {
            assert_eq!(*drawn, 0, "{params:?}: id {id} should never come");
            continue;
        }
        let mean = p * f64::from(DRAWS);
        // Five standard deviations, and one draw of slack where the mean is near zero.
        let allowed = 5.0 * (mean * (1.0 - p)).sqrt() + 1.0;
        assert!(
            (f64::from(*drawn) - mean).abs() <= allowed,
            "{params:?}: id {id} came {drawn} times, expected {mean:.1} ± {allowed:.1}"
        );
    }
}

#[test]
fn every_stage_has_the_distribution_of_the_definition() {
    let l = logits(120, 1);
    let recent: Vec<u32> = (0..90).map(|i| i % 40).collect();
    check_distribution(plain(), &l, &[]);
    check_distribution(
        Params {
            temperature: 0.6,
            ..plain()
        },
        &l,
        &[],
    );
    check_distribution(
        Params {
            temperature: 1.7,
            ..plain()
        },
        &l,
        &[],
    );
    check_distribution(
        Params {
            top_k: 5,
            ..plain()
        },
        &l,
        &[],
    );
    check_distribution(
        Params {
            top_k: 119,
            ..plain()
        },
        &l,
        &[],
    );
    check_distribution(
        Params {
            top_k: 1000,
            ..plain()
        },
        &l,
        &[],
    );
    check_distribution(
        Params {
            top_p: 0.8,
            ..plain()
        },
        &l,
        &[],
    );
    check_distribution(
        Params {
            top_p: 0.999,
            temperature: 2.0,
            ..plain()
        },
        &l,
        &[],
    );
    check_distribution(
        Params {
            min_p: 0.1,
            ..plain()
        },
        &l,
        &[],
    );
    check_distribution(
        Params {
            repetition_penalty: 1.4,
            ..plain()
        },
        &l,
        &recent,
    );
    check_distribution(
        Params {
            frequency_penalty: 0.7,
            presence_penalty: 0.3,
            ..plain()
        },
        &l,
        &recent,
    );
    check_distribution(
        Params {
            repetition_penalty: 1.3,
            repetition_window: 10,
            ..plain()
        },
        &l,
        &recent,
    );
    check_distribution(
        Params {
            top_k: 40,
            top_p: 0.9,
            min_p: 0.05,
            temperature: 1.3,
            ..plain()
        },
        &l,
        &recent,
    );
}

#[test]
fn a_flat_distribution_needs_most_of_the_vocabulary() {
    let l = vec![0.25; 500];
    check_distribution(
        Params {
            top_p: 0.7,
            ..plain()
        },
        &l,
        &[],
    );
}

#[test]
fn seeds_are_reproducible_and_differ() {
    let l = logits(5000, 2);
    let run = |seed| -> Vec<u32> {
        let mut sampler = Sampler::new(Params { seed, ..plain() }, l.len()).unwrap();
        (0..50)
            .map(|_| sampler.sample(&mut l.clone(), &[]))
            .collect()
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

/// A change of generator, of `exp` or of the order of sums changes replies of a given seed: that must be a decision.
#[test]
fn the_sequence_of_a_seed_is_fixed() {
    let l = logits(1000, 3);
    let params = Params {
        seed: 42,
        temperature: 1.0,
        ..Params::default()
    };
    let mut sampler = Sampler::new(params, l.len()).unwrap();
    let ids: Vec<u32> = (0..8)
        .map(|_| sampler.sample(&mut l.clone(), &[]))
        .collect();
    assert_eq!(ids, FIXED);
}
const FIXED: [u32; 8] = [590, 223, 912, 537, 537, 86, 86, 16];

#[test]
fn greedy_takes_the_highest_and_the_lowest_id_among_equals() {
    let greedy = Params {
        temperature: 0.0,
        ..plain()
    };
    for n in [1, 2, 15, 16, 17, 63, 64, 65, 1000, 49152] {
        let mut sampler = Sampler::new(greedy.clone(), n).unwrap();
        for at in [0, n / 3, n / 2, n - 1] {
            let mut l = logits(n, 4);
            l[at] = 100.0;
            assert_eq!(sampler.sample(&mut l, &[]), at as u32, "of {n}");
            l[n - 1] = 100.0;
            assert_eq!(sampler.sample(&mut l, &[]), at as u32, "tie, of {n}");
        }
    }
}

#[test]
fn greedy_sees_the_penalties() {
    let params = Params {
        temperature: 0.0,
        presence_penalty: 2.0,
        ..plain()
    };
    let mut sampler = Sampler::new(params, 4).unwrap();
    assert_eq!(sampler.sample(&mut [1.0, 3.0, 2.0, 0.0], &[1]), 2);
    assert_eq!(sampler.sample(&mut [1.0, 3.0, 2.0, 0.0], &[]), 1);
}

#[test]
fn ties_in_top_k_go_to_the_lowest_ids() {
    let mut sampler = Sampler::new(
        Params {
            top_k: 3,
            ..plain()
        },
        2000,
    )
    .unwrap();
    for _ in 0..200 {
        assert!(sampler.sample(&mut [1.0; 2000], &[]) < 3);
    }
}

#[test]
fn unusable_logits_are_not_chosen_and_do_not_panic() {
    let bad = [f32::NAN, f32::NEG_INFINITY, -f32::NAN];
    let variants = [
        plain(),
        Params {
            temperature: 0.0,
            ..plain()
        },
        Params {
            top_k: 10,
            ..plain()
        },
        Params {
            top_p: 0.5,
            ..plain()
        },
        Params {
            min_p: 0.5,
            ..plain()
        },
        Params {
            temperature: f32::MIN_POSITIVE,
            ..plain()
        },
        Params {
            temperature: f32::MAX,
            ..plain()
        },
        Params {
            top_p: 0.0,
            ..plain()
        },
        Params {
            min_p: 1.0,
            ..plain()
        },
        Params {
            repetition_penalty: f32::MIN_POSITIVE,
            ..plain()
        },
        Params {
            frequency_penalty: f32::MAX,
            ..plain()
        },
    ];
    for params in variants {
        let mut sampler = Sampler::new(params.clone(), 700).unwrap();
        let mut l: Vec<f32> = (0..700).map(|i| bad[i % 3]).collect();
        for _ in 0..20 {
            assert_eq!(
                sampler.sample(&mut l.clone(), &[0, 5]),
                0,
                "{params:?}: nothing usable"
            );
        }
        l[333] = -3.0;
        for _ in 0..20 {
            assert_eq!(
                sampler.sample(&mut l.clone(), &[5, 9000]),
                333,
                "{params:?}"
            );
        }
        l[400] = f32::INFINITY;
        let id = sampler.sample(&mut l.clone(), &[400, u32::MAX]);
        assert!(
            id == 400 || params.temperature > 1.0 && id == 333,
            "{params:?}: {id}"
        );
    }
}

#[test]
fn extremes_narrow_to_the_best() {
    let l = logits(900, 5);
    let best = (0..900).max_by(|a, b| l[*a].total_cmp(&l[*b])).unwrap() as u32;
    for params in [
        Params {
            top_k: 1,
            ..plain()
        },
        Params {
            top_p: 0.0,
            ..plain()
        },
        Params {
            min_p: 1.0,
            ..plain()
        },
        Params {
            temperature: f32::MIN_POSITIVE,
            ..plain()
        },
    ] {
        let mut sampler = Sampler::new(params, 900).unwrap();
        for _ in 0..50 {
            assert_eq!(sampler.sample(&mut l.clone(), &[]), best);
        }
    }
}

#[test]
fn a_bad_parameter_is_named() {
    let cases = [
        (
            "temperature",
            Params {
                temperature: -0.1,
                ..plain()
            },
        ),
        (
            "temperature",
            Params {
                temperature: f32::NAN,
                ..plain()
            },
        ),
        (
            "top_p",
            Params {
                top_p: 1.5,
                ..plain()
            },
        ),
        (
            "min_p",
            Params {
                min_p: -1.0,
                ..plain()
            },
        ),
        (
            "repetition_penalty",
            Params {
                repetition_penalty: 0.0,
                ..plain()
            },
        ),
        (
            "frequency_penalty",
            Params {
                frequency_penalty: f32::INFINITY,
                ..plain()
            },
        ),
        (
            "presence_penalty",
            Params {
                presence_penalty: f32::NAN,
                ..plain()
            },
        ),
    ];
    for (field, params) in cases {
        match Sampler::new(params, 10).err() {
            Some(Error::BadArgument { name, .. }) => assert_eq!(name, field),
            other => panic!("{field}: {other:?}"),
        }
    }
    assert_eq!(
        Sampler::new(plain(), 0).err().map(|e| e.code()),
        Some("bad_argument")
    );
    assert_eq!(Params::default().validate(), Ok(()));
}
