//! The thread pool: one job at a time, split into chunks that threads take from a shared counter.
//!
//! Threads spin for a short while, then sleep: a fork-join in a busy loop costs well under a microsecond, and a thread
//! that has lost its core does not burn another's. What a chunk computes never depends on who computes it, so results
//! do not depend on the number of threads. Without workers `run` is a plain loop.
#![allow(unsafe_code)]

use core::sync::atomic::{AtomicPtr, AtomicU32, AtomicUsize, Ordering};

/// The most threads a pool takes, the caller's included.
pub const MAX_THREADS: usize = 16;

/// What the epoch grows by from job to job; the rest of the word holds the number of threads.
const EPOCH: u32 = 32;

/// Rounds of the spin loop before a thread sleeps, about 20–50 µs.
const SPIN_ROUNDS: u32 = 20_000;

/// The memory that threads share to hand out one job.
pub struct Pool {
    /// Job number × [`EPOCH`] + threads that take part in it, the caller's included: one word, so that a worker that
    /// wakes late can never pair one job's number with another's threads. Workers wait for it to change.
    epoch: AtomicU32,
    /// Threads wanted by the owner.
    wanted: AtomicUsize,
    /// Workers that have started.
    workers: AtomicUsize,
    /// Workers that have not finished the current job.
    running: AtomicU32,
    next: AtomicUsize,
    chunks: AtomicUsize,
    /// Points to the caller's `&dyn Fn(usize)`, valid while `running` is not 0.
    job: AtomicPtr<()>,
    /// Not 0 when the workers are to return.
    closed: AtomicU32,
}

type Job<'a> = &'a (dyn Fn(usize) + Sync);

impl Pool {
    /// A pool without workers.
    pub const fn new() -> Pool {
        Pool {
            epoch: AtomicU32::new(0),
            wanted: AtomicUsize::new(1),
            workers: AtomicUsize::new(0),
            running: AtomicU32::new(0),
            next: AtomicUsize::new(0),
            chunks: AtomicUsize::new(0),
            job: AtomicPtr::new(core::ptr::null_mut()),
            closed: AtomicU32::new(0),
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
        self.next.store(0, Ordering::Relaxed);
        self.running.store(threads as u32 - 1, Ordering::Relaxed);
        let number = self.epoch.load(Ordering::Relaxed) / EPOCH;
        self.epoch.store(
            number.wrapping_add(1).wrapping_mul(EPOCH) | threads as u32,
            Ordering::Release,
        );
        notify(&self.epoch);
        self.take(job, chunks);
        let mut rounds = 0;
        loop {
            let running = self.running.load(Ordering::Acquire);
            if running == 0 {
                break;
            }
            rounds += 1;
            if rounds < SPIN_ROUNDS {
                core::hint::spin_loop();
            } else {
                wait(&self.running, running);
            }
        }
    }

    fn take(&self, job: Job<'_>, chunks: usize) {
        loop {
            let chunk = self.next.fetch_add(1, Ordering::Relaxed);
            if chunk >= chunks {
                break;
            }
            job(chunk);
        }
    }

    /// A worker's life: takes part in jobs until [`Pool::close`].
    pub fn work(&self) {
        let mut seen = self.epoch.load(Ordering::Acquire);
        let index = 1 + self.workers.fetch_add(1, Ordering::AcqRel);
        loop {
            let mut rounds = 0;
            loop {
                let epoch = self.epoch.load(Ordering::Acquire);
                if epoch != seen {
                    seen = epoch;
                    break;
                }
                rounds += 1;
                if rounds < SPIN_ROUNDS {
                    core::hint::spin_loop();
                } else {
                    wait(&self.epoch, seen);
                }
            }
            if self.closed.load(Ordering::Acquire) != 0 {
                return;
            }
            if index < (seen % EPOCH) as usize {
                let at: *const Job<'_> = self.job.load(Ordering::Relaxed).cast_const().cast();
                // SAFETY: `run` stored the address of its `job` before the epoch it released and does not return before
                // this worker has lowered `running`, so the reference lives for the whole of `take`.
                self.take(unsafe { *at }, self.chunks.load(Ordering::Relaxed));
                if self.running.fetch_sub(1, Ordering::Release) == 1 {
                    notify(&self.running);
                }
            }
        }
    }

    /// Sends the workers home.
    pub fn close(&self) {
        self.closed.store(1, Ordering::Release);
        let number = self.epoch.load(Ordering::Relaxed) / EPOCH;
        self.epoch.store(
            number.wrapping_add(1).wrapping_mul(EPOCH),
            Ordering::Release,
        );
        notify(&self.epoch);
    }
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

/// A buffer of f32 of which the threads of one job write disjoint parts.
#[derive(Clone, Copy)]
pub struct Rows {
    at: *mut f32,
    len: usize,
}

// SAFETY: a `Rows` is only an address; whoever writes through it promises in `part` that parts are disjoint.
unsafe impl Send for Rows {}
// SAFETY: as above.
unsafe impl Sync for Rows {}

impl Rows {
    /// The address of `buffer`, which must stay borrowed until the job is done.
    pub fn new(buffer: &mut [f32]) -> Rows {
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
    pub unsafe fn part<'a>(&self, from: usize, len: usize) -> &'a mut [f32] {
        assert!(from + len <= self.len);
        // SAFETY: in bounds by the assertion, unique by the caller's promise.
        unsafe { core::slice::from_raw_parts_mut(self.at.add(from), len) }
    }
}
