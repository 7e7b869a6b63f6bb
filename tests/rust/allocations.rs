//! The forward pass allocates nothing: a counting allocator watches prompts being evaluated.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use smidgen::session::{Engine, LoadOptions, Loader, Prefilled, Request};
use smidgen::transformer::Pooling;

#[allow(dead_code)]
#[path = "family_model.rs"]
mod family_model;
#[path = "model_file.rs"]
mod model_file;

struct Counting;

thread_local! {
    /// Allocations of this thread; the test runner's own do not count.
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

fn count() -> usize {
    COUNT.with(Cell::get)
}

unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.with(|c| c.set(c.get() + 1));
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        COUNT.with(|c| c.set(c.get() + 1));
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn forward_allocates_nothing() {
    let file = std::fs::read(model_file::path()).unwrap();
    let mut loader = Loader::new(LoadOptions::default());
    for part in file.chunks(1 << 20) {
        loader.push(part).unwrap();
    }
    let mut engine = loader.finish().unwrap();
    assert!(count() > 0, "the allocator does not count");
    makes_without_allocating("the demo model", &mut engine, 0);
}

/// Prompts and steps; `checkpoints`: allocations that remembering a state takes.
fn makes_without_allocating(name: &str, engine: &mut Engine, checkpoints: usize) {
    // Whole slices, a part of one, and a single token: every shape of product there is.
    for prompt in [64 + 1, 37, 5] {
        engine.reset();
        let ids: Vec<u32> = (0..prompt).map(|i| (100 + 7 * i) % 300).collect();
        let request = Request {
            ids: Some(ids),
            max_tokens: Some(4),
            ignore_eos: true,
            ..Request::default()
        };
        let reply = engine.begin(&request).unwrap().reply;
        let before = count();
        while engine.prefill(reply, usize::MAX).unwrap() == Prefilled::More {}
        let made = count() - before;
        assert!(
            made <= checkpoints,
            "{name}: {made}, {prompt} tokens of prompt"
        );
        // A step makes its text, and nothing that grows with the model.
        for _ in 0..4 {
            let before = count();
            engine.decode(reply).unwrap();
            let made = count() - before;
            assert!(made <= 24, "{name}: {made} allocations in a step");
        }
    }
}

/// Every architecture, those that read too: what they allocate is the result, however long the text is.
#[test]
fn no_architecture_allocates() {
    for family in family_model::writing() {
        let mut engine = family_model::load(&family.folder(), 80);
        // A state is copied before a prompt's last token: the copy, and the list of copies.
        let keeps = STATES.contains(&family.name.as_str());
        makes_without_allocating(&family.name, &mut engine, if keeps { 2 } else { 0 });
    }
    let mut readers = family_model::families();
    readers.retain(|f| f.golden.get("maskedLogits").is_some());
    assert!(readers.len() >= 6);
    for family in readers {
        let ids = family.ids();
        let mut engine = family_model::load(&family.folder(), ids.len());
        engine.read(&ids, usize::MAX, Pooling::Mean).unwrap();
        let mut made = [0; 2];
        for (made, n) in made.iter_mut().zip([ids.len(), 3]) {
            let before = count();
            engine.read(&ids[..n], usize::MAX, Pooling::Mean).unwrap();
            *made = count() - before;
        }
        assert_eq!(made[0], made[1], "{}", family.name);
        assert!(made[0] <= 4, "{}: {made:?}", family.name);
    }
}

/// Families that keep a state beside keys and values.
const STATES: [&str; 5] = ["lfm2", "mamba2", "granitehybrid", "falcon-h1", "rwkv7"];
