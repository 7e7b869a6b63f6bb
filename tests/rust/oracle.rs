//! The demo model against exact fp32 (`tests/golden/oracle/smollm2-greedy.json`): prompt ids, log-probabilities, top-1.

use smidgen::session::{LoadOptions, Loader};

#[path = "model_file.rs"]
mod model_file;

/// Mean and largest absolute difference of log-probabilities that quantised activations may cost, in nat.
const MEAN: f64 = 0.09;
const MAX: f64 = 0.45;

#[test]
fn teacher_forced_log_probabilities_agree_with_fp32() {
    let file = std::fs::read(model_file::path()).unwrap();
    let oracle: serde_json::Value =
        serde_json::from_str(include_str!("../golden/oracle/smollm2-greedy.json")).unwrap();
    let mut loader = Loader::new(LoadOptions::default());
    for part in file.chunks(1 << 20) {
        loader.push(part).unwrap();
    }
    let mut engine = loader.finish().unwrap();
    for case in oracle["cases"].as_array().unwrap() {
        let name = case["id"].as_str().unwrap();
        let ids: Vec<u32> = case["prompt_ids"]
            .as_array()
            .unwrap()
            .iter()
            .map(|v| v.as_u64().unwrap() as u32)
            .collect();
        let expected: Vec<f64> = case["fp32"]["logprobs"]
            .as_array()
            .unwrap()
            .iter()
            .map(|v| v.as_f64().unwrap())
            .collect();
        let scores = engine.score(&ids).unwrap();
        let differences: Vec<f64> = expected
            .iter()
            .zip(&scores)
            .map(|(e, (p, _))| (f64::from(*p) - e).abs())
            .collect();
        let mean = differences.iter().sum::<f64>() / differences.len() as f64;
        let max = differences.iter().copied().fold(0.0, f64::max);
        println!("{name}: mean {mean:.4}, max {max:.4}");
        assert_eq!(differences.len(), ids.len() - 1);
        assert!(mean <= MEAN && max <= MAX, "{name}: mean {mean}, max {max}");
    }
}
