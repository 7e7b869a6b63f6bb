//! The forward pass allocates nothing: a counting allocator watches prompts being evaluated.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use smidgen::session::{LoadOptions, Loader, Prefilled, Request};

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
    // Whole slices, a part of one, and a single token: every shape of product there is.
    for prompt in [64 + 1, 37, 5] {
        engine.reset();
        let ids: Vec<u32> = (0..prompt).map(|i| 100 + 7 * i).collect();
        let request = Request {
            ids: Some(ids),
            max_tokens: Some(4),
            ignore_eos: true,
            ..Request::default()
        };
        let reply = engine.begin(&request).unwrap().reply;
        let before = count();
        while engine.prefill(reply, usize::MAX).unwrap() == Prefilled::More {}
        assert_eq!(count() - before, 0, "{prompt} tokens of prompt");
        // A step makes its text, and nothing that grows with the model.
        for _ in 0..4 {
            let before = count();
            engine.decode(reply).unwrap();
            let made = count() - before;
            assert!(made <= 8, "{made} allocations in a step");
        }
    }
}
