//! The thread pool: one job at a time, split into chunks. Every thread has a share of them, one stretch of memory, and
//! when it has done its own it takes what is left of others'.
//!
//! Threads spin for a short while, then sleep: a fork-join in a busy loop costs well under a microsecond, and a thread
//! that has lost its core does not burn another's. The caller takes chunks too and waits only for those workers that
//! have entered the job: one that sleeps, or that the system has put aside, holds nobody up. What a chunk computes never
//! depends on who computes it, so results do not depend on the number of threads. Without workers `run` is a plain loop.
#![allow(unsafe_code)]

use core::ops::{Deref, Range};
use core::sync::atomic::{AtomicPtr, AtomicU32, AtomicUsize, Ordering};

/// The most threads a pool takes, the caller's included.
pub const MAX_THREADS: usize = 16;

/// Rounds of the spin loop before a thread sleeps, about 20–50 µs.
const SPIN_ROUNDS: u32 = 20_000;

/// What [`Pool::state`] says, in one word, so that a worker enters the very job whose number and threads it has seen.
#[derive(Clone, Copy)]
struct State(u32);

impl State {
    /// Bits of the workers that are in the job.
    const INSIDE: u32 = 0x1f;
    /// One of the threads that may take part, the caller's included.
    const THREAD: u32 = 0x20;
    /// Workers may enter.
    const OPEN: u32 = 0x400;
    /// What the number of a job grows by.
    const JOB: u32 = 0x800;

    /// The next job for `threads` threads, open, with nobody inside.
    fn next(self, threads: usize) -> State {
        let job = (self.0 & !(Self::JOB - 1)).wrapping_add(Self::JOB);
        State(job | Self::OPEN | (threads as u32 * Self::THREAD))
    }

    fn inside(self) -> u32 {
        self.0 & Self::INSIDE
    }

    fn threads(self) -> usize {
        ((self.0 / Self::THREAD) & 0x1f) as usize
    }

    fn open(self) -> bool {
        self.0 & Self::OPEN != 0
    }

    fn job(self) -> u32 {
        self.0 / Self::JOB
    }
}

/// The memory that threads share to hand out one job.
pub struct Pool {
    /// A [`State`]. Workers sleep on it.
    state: Padded<AtomicU32>,
    /// Threads wanted by the owner.
    wanted: AtomicUsize,
    /// Workers that have started.
    workers: AtomicUsize,
    /// Workers that sleep or are about to.
    asleep: AtomicU32,
    /// 1 while the caller sleeps, or is about to, until the last worker has left. The caller sleeps on it.
    caller: AtomicU32,
    chunks: AtomicUsize,
    /// Points to the caller's `&dyn Fn(usize)`, valid while the job is open or a worker is inside.
    job: AtomicPtr<()>,
    /// Not 0 when the workers are to return.
    closed: AtomicU32,
    /// The next chunk of each thread's share.
    next: [Padded<AtomicUsize>; MAX_THREADS],
}

/// Shares its cache line with nothing.
#[repr(align(128))]
struct Padded<T>(T);

impl<T> Deref for Padded<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

type Job<'a> = &'a (dyn Fn(usize) + Sync);

impl Pool {
    /// A pool without workers.
    pub const fn new() -> Pool {
        Pool {
            state: Padded(AtomicU32::new(0)),
            wanted: AtomicUsize::new(1),
            workers: AtomicUsize::new(0),
            asleep: AtomicU32::new(0),
            caller: AtomicU32::new(0),
            chunks: AtomicUsize::new(0),
            job: AtomicPtr::new(core::ptr::null_mut()),
            closed: AtomicU32::new(0),
            next: [const { Padded(AtomicUsize::new(0)) }; MAX_THREADS],
        }
    }

    /// Threads that the next job uses: what is wanted, as far as workers have started.
    pub fn threads(&self) -> usize {
        self.wanted
            .load(Ordering::Relaxed)
            .min(1 + self.workers.load(Ordering::Acquire))
    }

    /// Asks for `n` threads from the next job on; more than have started are not used.
    pub fn set_threads(&self, n: usize) {
        self.wanted
            .store(n.clamp(1, MAX_THREADS), Ordering::Relaxed);
    }

    /// Calls `job` with every number below `chunks`, on all threads, and returns when all are done.
    pub fn run(&self, chunks: usize, job: Job<'_>) {
        let threads = self.threads().min(chunks);
        if threads <= 1 {
            (0..chunks).for_each(job);
            return;
        }
        let at = &raw const job;
        self.job.store(at.cast_mut().cast(), Ordering::Relaxed);
        self.chunks.store(chunks, Ordering::Relaxed);
        for (thread, next) in self.next[..threads].iter().enumerate() {
            next.store(share(thread, threads, chunks), Ordering::Relaxed);
        }
        // Nobody is inside and nobody can enter: the last job was left and shut.
        let state = State(self.state.load(Ordering::Relaxed)).next(threads);
        self.state.store(state.0, Ordering::SeqCst);
        if self.asleep.load(Ordering::SeqCst) > 0 {
            notify(&self.state);
        }
        self.take(job, chunks, 0, threads);
        let shut = State(self.state.fetch_and(!State::OPEN, Ordering::AcqRel));
        if shut.inside() > 0 {
            self.wait_for_workers();
        }
    }

    /// Calls `job` with stretches of `0..n` that make it up, about four for each thread: for many small things of which
    /// one takes too little to be handed out by itself.
    pub fn spread(&self, n: usize, job: &(dyn Fn(Range<usize>) + Sync)) {
        let size = n.div_ceil(4 * self.threads()).max(1);
        if size >= n || self.threads() == 1 {
            return job(0..n);
        }
        self.run(n.div_ceil(size), &|chunk| {
            job(chunk * size..n.min((chunk + 1) * size));
        });
    }

    /// Calls `job` with stretches of whole rows of `x` ([n, width]) that make it up, and the first row of each.
    pub fn rows<T: Send>(&self, x: &mut [T], width: usize, job: &(dyn Fn(usize, &mut [T]) + Sync)) {
        let (n, x) = (x.len() / width, Rows::new(x));
        self.spread(n, &|rows| {
            // SAFETY: stretches of rows are disjoint, and `x` is borrowed until all are done.
            let part = unsafe { x.part(rows.start * width, rows.len() * width) };
            job(rows.start, part);
        });
    }

    fn wait_for_workers(&self) {
        let inside = |order| State(self.state.load(order)).inside();
        for _ in 0..SPIN_ROUNDS {
            if inside(Ordering::Acquire) == 0 {
                return;
            }
            core::hint::spin_loop();
        }
        loop {
            self.caller.store(1, Ordering::SeqCst);
            if inside(Ordering::SeqCst) == 0 {
                break;
            }
            wait(&self.caller, 1);
        }
        self.caller.store(0, Ordering::Relaxed);
    }

    /// What is left of `thread`'s own share, one stretch of memory after another, then of the others'.
    fn take(&self, job: Job<'_>, chunks: usize, thread: usize, threads: usize) {
        for other in (thread..threads).chain(0..thread) {
            let end = share(other + 1, threads, chunks);
            let next = &self.next[other];
            while next.load(Ordering::Relaxed) < end {
                let chunk = next.fetch_add(1, Ordering::Relaxed);
                if chunk >= end {
                    break;
                }
                job(chunk);
            }
        }
    }

    /// A worker's life: takes part in jobs until [`Pool::close`].
    pub fn work(&self) {
        let index = 1 + self.workers.fetch_add(1, Ordering::AcqRel);
        // The job that this worker has been in, or has no part in.
        let mut done = None;
        let mut rounds = 0;
        while self.closed.load(Ordering::Acquire) == 0 {
            let state = State(self.state.load(Ordering::Acquire));
            if !state.open() || done == Some(state.job()) {
                rounds += 1;
                if rounds < SPIN_ROUNDS {
                    core::hint::spin_loop();
                } else {
                    self.sleep(state);
                }
            } else if index >= state.threads() {
                done = Some(state.job());
            } else if self.enter(state) {
                done = Some(state.job());
                rounds = 0;
                let chunks = self.chunks.load(Ordering::Relaxed);
                let at: *const Job<'_> = self.job.load(Ordering::Relaxed).cast_const().cast();
                // SAFETY: `run` stored the address of its `job` before it opened the job that was entered, and does not
                // return before everybody inside has left, so the reference lives for the whole of `take`.
                let job = unsafe { *at };
                self.take(job, chunks, index, state.threads());
                let left = State(self.state.fetch_sub(1, Ordering::SeqCst));
                if left.inside() == 1 && self.caller.load(Ordering::SeqCst) == 1 {
                    // Changed first: a caller that is only about to sleep then does not.
                    self.caller.store(0, Ordering::SeqCst);
                    notify(&self.caller);
                }
            }
        }
    }

    fn enter(&self, seen: State) -> bool {
        self.state
            .compare_exchange_weak(seen.0, seen.0 + 1, Ordering::AcqRel, Ordering::Relaxed)
            .is_ok()
    }

    /// Until the state is another than `seen`, or anybody calls.
    fn sleep(&self, seen: State) {
        self.asleep.fetch_add(1, Ordering::SeqCst);
        if self.closed.load(Ordering::SeqCst) == 0 {
            wait(&self.state, seen.0);
        }
        self.asleep.fetch_sub(1, Ordering::SeqCst);
    }

    /// Sends the workers home. No job may be running.
    pub fn close(&self) {
        self.closed.store(1, Ordering::SeqCst);
        self.state.fetch_add(State::JOB, Ordering::SeqCst);
        notify(&self.state);
    }
}

/// The first of the chunks that are `thread`'s share.
fn share(thread: usize, threads: usize, chunks: usize) -> usize {
    thread * chunks / threads
}

impl Default for Pool {
    fn default() -> Self {
        Pool::new()
    }
}

#[cfg(all(target_arch = "wasm32", target_feature = "atomics"))]
fn wait(at: &AtomicU32, seen: u32) {
    // SAFETY: the address is that of a live, aligned u32 in shared memory; a wake-up without cause is allowed for.
    unsafe { core::arch::wasm32::memory_atomic_wait32(at.as_ptr().cast(), seen as i32, -1) };
}

#[cfg(all(target_arch = "wasm32", target_feature = "atomics"))]
fn notify(at: &AtomicU32) {
    // SAFETY: the address is that of a live, aligned u32 in shared memory.
    unsafe { core::arch::wasm32::memory_atomic_notify(at.as_ptr().cast(), u32::MAX) };
}

#[cfg(not(all(target_arch = "wasm32", target_feature = "atomics")))]
fn wait(_at: &AtomicU32, _seen: u32) {
    std::thread::yield_now();
}

#[cfg(not(all(target_arch = "wasm32", target_feature = "atomics")))]
fn notify(_at: &AtomicU32) {}

/// A buffer of which the threads of one job write disjoint parts.
#[derive(Clone, Copy)]
pub struct Rows<T = f32> {
    at: *mut T,
    len: usize,
}

// SAFETY: a `Rows` is only an address; whoever writes through it promises in `part` that parts are disjoint.
unsafe impl<T: Send> Send for Rows<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Rows<T> {}

impl<T> Rows<T> {
    /// The address of `buffer`, which must stay borrowed until the job is done.
    pub fn new(buffer: &mut [T]) -> Rows<T> {
        Rows {
            at: buffer.as_mut_ptr(),
            len: buffer.len(),
        }
    }

    /// Values `from..from + len`.
    ///
    /// # Safety
    /// The buffer given to `new` is still borrowed, and no two threads hold overlapping parts at once.
    #[allow(clippy::mut_from_ref)]
    pub unsafe fn part<'a>(&self, from: usize, len: usize) -> &'a mut [T] {
        assert!(from + len <= self.len);
        // SAFETY: in bounds by the assertion, unique by the caller's promise.
        unsafe { core::slice::from_raw_parts_mut(self.at.add(from), len) }
    }
}
