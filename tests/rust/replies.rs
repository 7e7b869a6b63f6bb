//! Several replies of one engine, made as the worker makes them.

use super::family_model::{Family, File};
use smidgen::session::{Engine, Made, Prefilled, Request};

/// The family's files, with a context that several blocks of positions fit into.
pub fn longer(family: &Family, context: usize) -> Vec<File> {
    let mut files = family.folder();
    let config = &mut files.iter_mut().find(|f| f.0 == "config.json").unwrap().1;
    let mut json: serde_json::Value = serde_json::from_slice(config).unwrap();
    json["max_position_embeddings"] = context.into();
    *config = serde_json::to_vec(&json).unwrap();
    files
}

pub fn request(ids: &[u32], max_tokens: usize) -> Request {
    Request {
        ids: Some(ids.to_vec()),
        max_tokens: Some(max_tokens),
        ignore_eos: true,
        ..Request::default()
    }
}

/// What became of one request.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Answer {
    pub cached: usize,
    pub ids: Vec<u32>,
    pub pauses: usize,
}

/// Answers all requests at once, as the worker does: the oldest prompt that is not evaluated gets a slice, then all that
/// are ready get a token.
pub fn together(engine: &mut Engine, requests: &[Request]) -> Vec<Answer> {
    let mut answers = vec![Answer::default(); requests.len()];
    let mut waiting: Vec<usize> = (0..requests.len()).rev().collect();
    // (request, reply, ready)
    let mut running: Vec<(usize, u32, bool)> = Vec::new();
    let mut full = false;
    while !(waiting.is_empty() && running.is_empty()) {
        if running.iter().all(|r| r.2)
            && running.len() < engine.info().batch
            && let Some(i) = waiting.pop()
        {
            let begun = engine.begin(&requests[i]).unwrap();
            answers[i].cached = begun.cached_tokens;
            running.push((i, begun.reply, false));
        }
        let mut stepped: Vec<u32> = running.iter().filter(|r| r.2).map(|r| r.1).collect();
        if let Some(next) = running.iter_mut().find(|r| !r.2)
            && !full
        {
            match engine.prefill(next.1, 50).unwrap() {
                Prefilled::More => {}
                Prefilled::Full => full = true,
                Prefilled::Done => {
                    next.2 = true;
                    stepped = vec![next.1];
                }
            }
        }
        assert!(!(full && stepped.is_empty()), "nothing goes on");
        if stepped.is_empty() {
            continue;
        }
        let wanted: Vec<_> = stepped.iter().map(|id| (*id, None)).collect();
        for (id, made) in stepped.iter().zip(engine.step(&wanted).unwrap()) {
            let at = running.iter().position(|r| r.1 == *id).unwrap();
            match made {
                Made::Token(step) => {
                    answers[running[at].0].ids.push(step.id);
                    if step.finish.is_some() {
                        running.remove(at);
                        full = false;
                    }
                }
                Made::Paused => {
                    answers[running[at].0].pauses += 1;
                    running[at].2 = false;
                }
                Made::Failed(error) => panic!("{error}"),
            }
        }
    }
    answers
}
