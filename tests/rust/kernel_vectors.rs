//! The kernels' vector mathematics against its scalar references; a part of `kernels.rs`.

use super::Random;
use smidgen::kernels::{Isa, vector};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

#[test]
fn activation_functions_are_those_of_the_reference() {
    // From where all is 0 to where all is x, and lengths that are no whole number of lanes.
    let xs: Vec<f32> = (-2400..=2400).map(|i| i as f32 / 200.0).collect();
    type Function = fn(Isa, &mut [f32]);
    let functions: [(&str, Function); 4] = [
        ("sigmoid", vector::sigmoid),
        ("silu", vector::silu),
        ("gelu", vector::gelu),
        ("gelu_tanh", vector::gelu_tanh),
    ];
    for (name, function) in functions {
        for part in [&xs[..], &xs[..1], &xs[1200..1203], &xs[7..22]] {
            let mut expected = part.to_vec();
            function(Isa::Scalar, &mut expected);
            for isa in Isa::ALL {
                let mut found = part.to_vec();
                function(*isa, &mut found);
                for ((x, e), f) in part.iter().zip(&expected).zip(&found) {
                    let far = (e - f).abs();
                    // The approximation of erf is off by up to 1.5e-7, half of which x multiplies.
                    let most = 2e-7 * x.abs().max(1.0) + 1e-6 * e.abs();
                    assert!(far <= most, "{name} {isa:?}: {x} → {f}, expected {e}");
                }
            }
        }
    }
}

/// Steps over a whole slice, for every number of lanes left over: the same bits, as each is one rounding after the other.
#[test]
fn steps_over_slices_are_those_of_the_reference() {
    let mut random = Random(11);
    for n in 0..=37 {
        let mut numbers = || -> Vec<f32> { (0..n).map(|_| random.number()).collect() };
        let (x, y) = (numbers(), numbers());
        type Step = fn(Isa, &mut [f32], &[f32]);
        let steps: [(&str, Step); 4] = [
            ("add", vector::add),
            ("shift", |isa, x, _| vector::shift(isa, x, 0.7, -0.3)),
            ("scale", |isa, x, _| vector::scale(isa, x, 3.3)),
            ("scale_by", |isa, x, y| vector::scale_by(isa, x, 1.7, y)),
        ];
        for isa in Isa::ALL {
            for (name, step) in steps {
                let [mut expected, mut found] = [x.clone(), x.clone()];
                step(Isa::Scalar, &mut expected, &y);
                step(*isa, &mut found, &y);
                assert_eq!(expected, found, "{name} {isa:?} over {n}");
            }
            assert_eq!(
                vector::max(*isa, &x),
                vector::max(Isa::Scalar, &x),
                "{isa:?}"
            );
            let mut with = x.clone();
            with.extend([f32::NAN, 40.0, f32::NAN]);
            assert_eq!(vector::max(*isa, &with), 40.0, "{isa:?} over {n}");
        }
    }
}
