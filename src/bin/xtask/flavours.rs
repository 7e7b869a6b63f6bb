//! The one list of flavours: each is a whole binary, since a module with an unknown instruction does not validate.

use std::fmt;

/// Cargo's arguments for every flavour. std is compiled with the rest: threads need it with atomics, and everyone downloads
/// it, so its sorts and searches are the small ones.
pub const STD_ARGUMENTS: [&str; 2] = [
    "-Zbuild-std=std,panic_abort",
    "-Zbuild-std-features=optimize_for_size",
];

/// How LLVM is kept from trading bytes for speed that only kernels need, and those are written out or say
/// `inline(always)`. Measured: 14 % of the download, no kernel slower.
const SMALL: [&str; 3] = [
    "-Cllvm-args=-inline-threshold=25 -unroll-runtime=false -unroll-allow-partial=false",
    "-Cno-vectorize-loops",
    "-Cno-vectorize-slp",
];

/// What a panic does. Its message and its place in the source are bytes of the download too, so it only traps; with
/// SMIDGEN_PANICS set, for whoever looks for a fault, it says what happened.
fn panics() -> &'static [&'static str] {
    match std::env::var_os("SMIDGEN_PANICS") {
        Some(_) => &[],
        None => &[
            "-Zunstable-options",
            "-Cpanic=immediate-abort",
            // The wasm tests run the very code that ships.
            "-Zpanic_abort_tests",
        ],
    }
}

/// Pages of 64 KiB that a shared memory may grow to: one less than 4 GiB, the most that every engine accepts.
pub const MAX_SHARED_PAGES: u64 = 65_535;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Flavour {
    pub name: &'static str,
    pub relaxed: bool,
    pub threads: bool,
    /// Reads Hugging Face folders, and rounds weights while they stream.
    pub folders: bool,
}

pub const FLAVOURS: [Flavour; 4] = [
    Flavour {
        name: "simd128",
        relaxed: false,
        threads: false,
        folders: false,
    },
    Flavour {
        name: "relaxed",
        relaxed: true,
        threads: false,
        folders: false,
    },
    Flavour {
        name: "simd128-threads",
        relaxed: false,
        threads: true,
        folders: false,
    },
    Flavour {
        name: "relaxed-threads",
        relaxed: true,
        threads: true,
        folders: false,
    },
];

/// The flavours for what few pages do, downloaded in place of the others. One thread: a folder is loaded much longer than
/// chatted with.
pub const FOLDER_FLAVOURS: [Flavour; 2] = [
    Flavour {
        name: "simd128-folders",
        relaxed: false,
        threads: false,
        folders: true,
    },
    Flavour {
        name: "relaxed-folders",
        relaxed: true,
        threads: false,
        folders: true,
    },
];

/// Every flavour that is built.
pub fn all() -> impl Iterator<Item = Flavour> {
    FLAVOURS.into_iter().chain(FOLDER_FLAVOURS)
}

impl Flavour {
    /// Cargo's arguments that choose what is compiled in.
    pub fn features(&self) -> &'static [&'static str] {
        if self.folders {
            &["--no-default-features", "--features", "folders"]
        } else {
            &["--no-default-features", "--features", "engine"]
        }
    }

    /// Arguments for rustc, joined as cargo's CARGO_ENCODED_RUSTFLAGS wants them.
    pub fn rustflags(&self) -> String {
        let mut features = String::from("-Ctarget-feature=+simd128");
        if self.relaxed {
            features += ",+relaxed-simd";
        }
        let mut flags: Vec<String> = SMALL
            .iter()
            .chain(panics())
            .map(|flag| (*flag).to_owned())
            .collect();
        if self.threads {
            features += ",+atomics,+bulk-memory,+mutable-globals";
            // rustc adds none of these by itself, and without them the memory is silently not shared.
            flags.push("-Clink-arg=--shared-memory".to_owned());
            flags.push("-Clink-arg=--import-memory".to_owned());
            flags.push(format!(
                "-Clink-arg=--max-memory={}",
                MAX_SHARED_PAGES * 65_536
            ));
            for symbol in [
                "__wasm_init_tls",
                "__tls_size",
                "__tls_align",
                "__tls_base",
                "__stack_pointer",
                "__heap_base",
            ] {
                flags.push(format!("-Clink-arg=--export={symbol}"));
            }
        }
        flags.insert(0, features);
        flags.join("\x1f")
    }
}

impl std::str::FromStr for Flavour {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        all().find(|flavour| flavour.name == name).ok_or_else(|| {
            let names: Vec<_> = all().map(|flavour| flavour.name).collect();
            format!("no such flavour; there are {}", names.join(", "))
        })
    }
}

impl fmt::Display for Flavour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}
