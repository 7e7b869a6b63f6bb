//! Several conversations in one engine: they share what they have in common, are answered together as they would be
//! alone, and never take more memory than was planned.

use smidgen::session::{Engine, LoadOptions, Made, Prefilled, Request};

#[allow(dead_code)]
#[path = "family_model.rs"]
mod family_model;
use family_model::{Family, causal, load_with};
#[path = "replies.rs"]
mod replies;
use replies::{longer, request, together};

const CONTEXT: usize = 300;

/// Families whose positions can be forgotten one by one.
fn forgetful() -> Vec<Family> {
    let mut all = causal();
    all.retain(|f| {
        !["lfm2", "mamba2", "granitehybrid", "falcon-h1", "rwkv7"].contains(&f.name.as_str())
    });
    assert!(all.len() > 8);
    all
}

fn family(name: &str) -> Family {
    causal().into_iter().find(|f| f.name == name).unwrap()
}

fn engine(family: &Family, cache: usize) -> Engine {
    let options = LoadOptions {
        context_length: Some(CONTEXT),
        cache_length: Some(cache),
        ..LoadOptions::default()
    };
    load_with(&longer(family, 1024), options)
}

fn alone(family: &Family, request: &Request) -> Vec<u32> {
    let mut engine = engine(family, CONTEXT);
    together(&mut engine, core::slice::from_ref(request))
        .remove(0)
        .ids
}

#[test]
fn replies_made_together_are_those_made_alone() {
    for family in causal() {
        let ids = family.ids();
        let requests: Vec<Request> = [(0, 70), (5, 40), (0, 71), (30, 3), (9, 1), (20, 60)]
            .map(|(from, len)| request(&ids[from..(from + len).min(ids.len())], 9 + from))
            .into();
        let expected: Vec<_> = requests.iter().map(|r| alone(&family, r)).collect();
        let mut engine = engine(&family, 4 * CONTEXT);
        let answers = together(&mut engine, &requests);
        for (answer, expected) in answers.iter().zip(&expected) {
            assert_eq!(answer.ids, *expected, "{}", family.name);
        }
    }
}

#[test]
fn replies_to_one_prompt_share_its_memory() {
    for family in forgetful() {
        let prompt: Vec<u32> = family.ids().iter().cycle().take(200).copied().collect();
        let mut engine = engine(&family, 1024);
        let free = engine.free_positions();
        let begun: Vec<_> = (0..4)
            .map(|n| {
                let begun = engine.begin(&request(&prompt, 20)).unwrap();
                assert_eq!(begun.cached_tokens, if n == 0 { 0 } else { 199 });
                while engine.prefill(begun.reply, 64).unwrap() == Prefilled::More {}
                engine.decode(begun.reply).unwrap();
                begun.reply
            })
            .collect();
        // One block of 128 positions in common, and one for each.
        assert_eq!(engine.free_positions(), free - 5 * 128, "{}", family.name);
        let all: Vec<_> = begun.iter().map(|id| (*id, None)).collect();
        let made = engine.step(&all).unwrap();
        let ids: Vec<u32> = made
            .iter()
            .map(|made| match made {
                Made::Token(step) => step.id,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(ids, [ids[0]; 4]);
        for id in begun {
            engine.end(id);
        }
        // Three say no more than the fourth.
        assert_eq!(engine.free_positions(), free - 2 * 128);
        engine.reset();
        assert_eq!(engine.free_positions(), free);
    }
}

#[test]
fn what_does_not_fit_waits_and_comes_out_the_same() {
    let family = family("qwen3-yarn");
    let ids = family.ids();
    let requests: Vec<Request> = (0..5)
        .map(|n| request(&ids[n * 7..n * 7 + 30], 200))
        .collect();
    let expected: Vec<_> = requests.iter().map(|r| alone(&family, r)).collect();
    // Three blocks for five replies of two.
    let mut engine = engine(&family, CONTEXT);
    let free = engine.free_positions();
    assert_eq!(free, 384);
    let answers = together(&mut engine, &requests);
    for (answer, expected) in answers.iter().zip(&expected) {
        assert_eq!(answer.ids, *expected);
    }
    assert!(answers.iter().any(|a| a.pauses > 0), "nothing had to wait");
    assert_eq!(answers[0].pauses, 0, "the oldest goes on");
    engine.reset();
    assert_eq!(engine.free_positions(), free);
}

#[test]
fn conversations_are_held_until_others_need_their_room() {
    let family = family("smollm3");
    let ids = family.ids();
    let texts: Vec<Vec<u32>> = (0..4)
        .map(|n| ids[n..].iter().cycle().take(110).copied().collect())
        .collect();
    let mut engine = engine(&family, CONTEXT);
    let ask = |engine: &mut Engine, n: usize| together(engine, &[request(&texts[n], 4)]).remove(0);
    let first: Vec<_> = (0..3).map(|n| ask(&mut engine, n)).collect();
    assert!(first.iter().all(|answer| answer.cached == 0));
    // Three blocks, three conversations: each is taken up where it was.
    for (n, first) in first.iter().enumerate() {
        let again = ask(&mut engine, n);
        assert_eq!((again.cached, &again.ids), (109, &first.ids));
    }
    // Reading a text, and a fourth, cost the least recently used ones.
    engine.embed(&["A text"], None, None).unwrap();
    assert_eq!(ask(&mut engine, 2).cached, 109);
    assert_eq!(ask(&mut engine, 3).cached, 0);
    assert_eq!(ask(&mut engine, 2).cached, 109);
    assert_eq!(ask(&mut engine, 0).cached, 0);
}

#[test]
fn the_conversation_used_last_is_saved_and_comes_back_beside_others() {
    for family in causal() {
        let ids = family.ids();
        let mut engine = engine(&family, 1024);
        let first = together(&mut engine, &[request(&ids[..60], 5)]).remove(0);
        let saved = engine.save();
        let second = together(&mut engine, &[request(&ids[10..70], 5)]).remove(0);
        let mut other = load_with(&longer(&family, 1024), LoadOptions::default());
        assert_eq!(other.restore(&saved).unwrap(), 64, "{}", family.name);
        assert_eq!(other.save(), saved, "{}", family.name);
        assert_eq!(engine.restore(&saved).unwrap(), 64);
        let mut longer = ids[..60].to_vec();
        longer.extend(&first.ids);
        let again = together(&mut engine, &[request(&longer, 3)]).remove(0);
        assert_eq!(again.cached, 64, "{}", family.name);
        if engine.info().batch > 1 {
            let again = together(&mut engine, &[request(&ids[10..70], 5)]).remove(0);
            assert_eq!((again.cached, again.ids), (59, second.ids));
        }
        for cut in 0..saved.len().min(400) {
            assert_eq!(
                engine.restore(&saved[..cut]).unwrap_err().code(),
                "bad_argument"
            );
        }
    }
}

#[test]
fn steps_out_of_order_are_refused_and_break_nothing() {
    let family = family("qwen3-yarn");
    let ids = family.ids();
    let mut engine = engine(&family, 1024);
    let wanted = |id| [(id, None)];
    let code = |engine: &mut Engine, wanted: &[(u32, Option<&[u32]>)]| {
        engine.step(wanted).unwrap_err().code()
    };
    assert_eq!(code(&mut engine, &wanted(0)), "wrong_state");
    let a = engine.begin(&request(&ids[..40], 5)).unwrap().reply;
    assert_eq!(code(&mut engine, &wanted(a)), "wrong_state");
    while engine.prefill(a, 64).unwrap() == Prefilled::More {}
    let b = engine.begin(&request(&ids[3..30], 5)).unwrap().reply;
    while engine.prefill(b, 64).unwrap() == Prefilled::More {}
    // The logits of the first are gone.
    assert_eq!(code(&mut engine, &wanted(a)), "wrong_state");
    engine.decode(b).unwrap();
    assert_eq!(engine.prefill(a, 64).unwrap(), Prefilled::Done);
    let mut made = vec![engine.decode(a).unwrap().id];
    assert_eq!(code(&mut engine, &[(b, None), (a, None)]), "wrong_state");
    assert_eq!(code(&mut engine, &[(a, None), (a, None)]), "wrong_state");
    // A mask that allows nothing ends its reply and not the other.
    let none = vec![0u32; engine.info().vocab_size.div_ceil(32)];
    let both = engine.step(&[(a, None), (b, Some(&none[..]))]).unwrap();
    assert!(matches!(&both[1], Made::Failed(error) if error.code() == "bad_grammar"));
    let Made::Token(step) = &both[0] else {
        panic!("{both:?}")
    };
    made.push(step.id);
    while made.len() < 5 {
        made.push(engine.decode(a).unwrap().id);
    }
    assert_eq!(made, alone(&family, &request(&ids[..40], 5)));
    for n in 0..engine.info().batch {
        engine.begin(&request(&ids[n..n + 9], 5)).unwrap();
    }
    let refused = engine.begin(&request(&ids[..9], 5)).unwrap_err();
    assert_eq!(refused.code(), "wrong_state");
    engine.reset();
    engine.begin(&request(&ids[..9], 5)).unwrap();
}
