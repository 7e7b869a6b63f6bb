//! The thread pool: every chunk once, nothing returned early, whoever comes late or is put aside.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;

use smidgen::kernels::pool::Pool;

/// Runs `jobs(pool)` beside `workers` threads that work for the pool.
fn with_workers(workers: usize, jobs: impl FnOnce(&Pool)) {
    let pool = Pool::new();
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| pool.work());
        }
        pool.set_threads(1 + workers);
        while pool.threads() < 1 + workers {
            std::thread::yield_now();
        }
        jobs(&pool);
        pool.close();
    });
}

#[test]
fn every_chunk_is_done_once_before_run_returns() {
    with_workers(3, |pool| {
        for job in 0..20_000usize {
            let chunks = job % 17;
            let done: Vec<AtomicU32> = (0..chunks).map(|_| AtomicU32::new(0)).collect();
            pool.set_threads(1 + job % 4);
            pool.run(chunks, &|i| {
                done[i].fetch_add(1, Ordering::Relaxed);
            });
            assert!(done.iter().all(|n| n.load(Ordering::Relaxed) == 1));
        }
    });
}

#[test]
fn workers_that_fell_asleep_take_part_again() {
    with_workers(1, |pool| {
        let caller = std::thread::current().id();
        let helped = AtomicUsize::new(0);
        for _ in 0..20 {
            std::thread::sleep(Duration::from_millis(2));
            pool.run(8, &|_| {
                std::thread::sleep(Duration::from_millis(2));
                if std::thread::current().id() != caller {
                    helped.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        assert!(helped.load(Ordering::Relaxed) > 0);
    });
}

#[test]
fn a_slow_chunk_is_waited_for() {
    with_workers(2, |pool| {
        for _ in 0..10 {
            let done = AtomicUsize::new(0);
            pool.run(3, &|i| {
                std::thread::sleep(Duration::from_millis(10 * i as u64));
                done.fetch_add(1, Ordering::Relaxed);
            });
            assert_eq!(done.load(Ordering::Relaxed), 3);
        }
    });
}
