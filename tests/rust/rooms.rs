//! The rules of src/README.md as a test: who may import whom, and where certain words may stand at all.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// The files that may hold `unsafe`: loads and stores of the kernels, the thread pool among them, and the places
/// outside where several threads write stretches of one buffer; and the one where zeroed memory is allocated.
const MAY_BE_UNSAFE: [&str; 8] = [
    "src/kernels/mod.rs",
    "src/kernels/pool.rs",
    "src/kernels/scalar.rs",
    "src/kernels/simd128/",
    "src/kernels/relaxed/",
    "src/ops/attention.rs",
    "src/ops/scan.rs",
    "src/tensor.rs",
];

/// The faces of the wasm modules: the engine's, and that of grammars.
const SPEAK_TO_JAVASCRIPT: [&str; 3] = [
    "src/bindings.rs",
    "src/bindings/encoders.rs",
    "src/grammar/bindings.rs",
];

/// Names that say nothing about what a file holds.
const EMPTY_NAMES: [&str; 8] = [
    "utils",
    "util",
    "helper",
    "helpers",
    "manager",
    "handler",
    "processor",
    "common",
];

const MOST_LINES: usize = 600;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Files below `folder` with one of these extensions, as paths from the root, except what is fetched or built.
fn files(folder: &str, extensions: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten() {
            let path = entry.expect("a readable folder").path();
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            if path.is_dir() {
                if !["node_modules", "dist", "dist-tests", "dev-dist", "target"]
                    .contains(&name.as_str())
                {
                    folders.push(path);
                }
            } else if path
                .extension()
                .is_some_and(|e| extensions.iter().any(|wanted| e == *wanted))
            {
                found.push(
                    path.strip_prefix(root())
                        .expect("below the root")
                        .to_string_lossy()
                        .replace('\\', "/"),
                );
            }
        }
    }
    found.sort();
    found
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every Rust file of the library: not the binaries, which are customers like any other.
fn library() -> Vec<String> {
    let mut files = files("src", &["rs"]);
    files.retain(|path| !path.starts_with("src/bin/"));
    assert!(files.len() > 10, "the library is more than {files:?}");
    files
}

fn tokens(path: &str) -> TokenStream {
    TokenStream::from_str(&read(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The room of `src/room.rs`, `src/room/mod.rs` and `src/room/file.rs`.
fn room(path: &str) -> &str {
    let inside = path.strip_prefix("src/").expect("a file of src");
    inside
        .split('/')
        .next()
        .unwrap_or_default()
        .trim_end_matches(".rs")
}

/// How many modules lie between the crate's root and this file's.
fn depth(path: &str) -> usize {
    let segments = path.trim_end_matches("/mod.rs").split('/').count();
    segments - 1
}

/// What src/README.md allows: each room and the rooms it may import.
fn import_table() -> BTreeMap<String, BTreeSet<String>> {
    let readme = read("src/README.md");
    let rows = readme
        .lines()
        .skip_while(|line| !line.starts_with("| room |"))
        .skip(2)
        .take_while(|line| line.starts_with('|'));
    let mut table = BTreeMap::new();
    let mut above = BTreeSet::new();
    for row in rows {
        let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [room, _, imports] = cells[..] else {
            panic!("three cells expected: {row}")
        };
        let room = room.trim_matches(['`', '/']).to_owned();
        let imports = match imports {
            "–" => BTreeSet::new(),
            "all above" => above.clone(),
            list => list
                .split(',')
                .map(|one| one.trim().trim_matches(['`', '/']).to_owned())
                .collect(),
        };
        for import in &imports {
            assert!(
                above.contains(import),
                "{room} may import {import}, which is not above it"
            );
        }
        above.insert(room.clone());
        table.insert(room, imports);
    }
    table
}

/// The first segments of all paths that start at the crate's root: `crate::a`, `crate::{a, b::c}`, `super::super::a`.
fn rooms_named(tokens: TokenStream, depth: usize, found: &mut BTreeSet<String>) {
    let tokens: Vec<_> = tokens.into_iter().collect();
    let is_path = |at: usize| {
        let colon =
            |at: usize| matches!(tokens.get(at), Some(TokenTree::Punct(p)) if p.as_char() == ':');
        colon(at) && colon(at + 1)
    };
    let ident = |at: usize| match tokens.get(at) {
        Some(TokenTree::Ident(ident)) => Some(ident.to_string()),
        _ => None,
    };
    let mut at = 0;
    while let Some(tree) = tokens.get(at) {
        if let TokenTree::Group(group) = tree {
            let is_module = group.delimiter() == Delimiter::Brace
                && at >= 2
                && ident(at - 2).as_deref() == Some("mod");
            rooms_named(group.stream(), depth + usize::from(is_module), found);
        }
        let mut up = 0;
        while ident(at).as_deref() == Some("super") && is_path(at + 1) {
            up += 1;
            at += 3;
        }
        if ident(at).as_deref() == Some("crate") && is_path(at + 1) {
            up = depth;
            at += 3;
        }
        if up == 0 {
            at += 1;
        } else if up >= depth {
            first_segments(tokens.get(at), found);
        }
    }
}

fn first_segments(tree: Option<&TokenTree>, found: &mut BTreeSet<String>) {
    match tree {
        Some(TokenTree::Ident(ident)) => {
            found.insert(ident.to_string());
        }
        Some(TokenTree::Group(group)) => {
            let mut at_start = true;
            for tree in group.stream() {
                if at_start {
                    first_segments(Some(&tree), found);
                }
                at_start = matches!(&tree, TokenTree::Punct(p) if p.as_char() == ',');
            }
        }
        _ => {}
    }
}

/// Every identifier and every literal of a file, at any depth; comments are not among them.
fn words(tokens: TokenStream, found: &mut Vec<String>) {
    for tree in tokens {
        match tree {
            TokenTree::Group(group) => words(group.stream(), found),
            TokenTree::Ident(ident) => found.push(ident.to_string()),
            TokenTree::Literal(literal) => found.push(literal.to_string()),
            TokenTree::Punct(_) => {}
        }
    }
}

fn words_of(path: &str) -> Vec<String> {
    let mut found = Vec::new();
    words(tokens(path), &mut found);
    // `//!` and `///` arrive as attributes: `doc`, then the text.
    let is_doc: Vec<bool> = (0..found.len())
        .map(|at| at > 0 && found[at - 1] == "doc")
        .collect();
    let mut is_doc = is_doc.into_iter();
    found.retain(|_| !is_doc.next().unwrap_or_default());
    found
}

fn none(broken: &[String], rule: &str) {
    assert!(broken.is_empty(), "{rule}:\n  {}", broken.join("\n  "));
}

#[test]
fn paths_are_found_wherever_they_stand() {
    let code = "
        use crate::{quant::Q4_0, error::{Error, Result}};
        use super::super::ops::rms_norm;
        use super::sibling;
        mod tests { use super::super::super::session::Session; use super::super::sibling; }
        fn f() { vec![crate::tensor::new()]; pub(crate) fn g() {} }
        macro_rules! m { () => { $crate::kernels::dot() } }
        // crate::comment::is_not_code
        const S: &str = \"crate::string::is_not_code\";
    ";
    let mut found = BTreeSet::new();
    rooms_named(TokenStream::from_str(code).expect("code"), 2, &mut found);
    let wanted = ["error", "kernels", "ops", "quant", "session", "tensor"];
    assert_eq!(found.into_iter().collect::<Vec<_>>(), wanted);
}

#[test]
fn rooms_import_only_what_the_table_allows() {
    let table = import_table();
    assert!(table.len() > 10, "src/README.md has no import table");
    let mut broken = Vec::new();
    let mut lived_in = BTreeSet::new();
    for path in library() {
        if path == "src/lib.rs" {
            continue;
        }
        let room = room(&path);
        let Some(allowed) = table.get(room) else {
            broken.push(format!("{path}: the table has no room {room}"));
            continue;
        };
        lived_in.insert(room.to_owned());
        let mut named = BTreeSet::new();
        rooms_named(tokens(&path), depth(&path), &mut named);
        for name in named {
            // lib.rs hands the public names of `error` out at the root.
            let name = if name == "Error" || name == "Result" {
                "error".to_owned()
            } else {
                name
            };
            if name != room && !allowed.contains(&name) {
                broken.push(format!("{path}: {room} may not import {name}"));
            }
        }
    }
    none(
        &broken,
        "a room imports only the rooms of its row in src/README.md",
    );
    let empty: Vec<_> = table
        .keys()
        .filter(|room| !lived_in.contains(*room))
        .cloned()
        .collect();
    none(&empty, "rooms of the table without a file");
}

/// A file of src/models/ stands for an architecture if its name is what a model file calls it.
fn architectures() -> BTreeSet<String> {
    let models = files("src/models", &["rs"]);
    let literals: BTreeSet<String> = models.iter().flat_map(|path| words_of(path)).collect();
    let stem = |path: &String| {
        Path::new(path)
            .file_stem()
            .map(|stem| stem.to_string_lossy().into_owned())
    };
    // Other files of the room hold what several of them share.
    let declares = |path: &&String| words_of(path).iter().any(|word| word == "ARCHITECTURE");
    models
        .iter()
        .filter(declares)
        .filter_map(stem)
        .filter(|stem| literals.contains(&format!("\"{stem}\"")))
        .collect()
}

#[test]
fn architectures_are_named_only_in_models() {
    let architectures = architectures();
    assert!(
        !architectures.is_empty(),
        "src/models/ declares no architecture"
    );
    let mut broken = Vec::new();
    for path in library().iter().filter(|path| room(path) != "models") {
        for word in words_of(path) {
            // Tokenizers have names of their own, some the same as an architecture's.
            let names_tokenizers =
                room(path) == "tokenizer" || path.starts_with("src/format/hugging_face/");
            if names_tokenizers {
                continue;
            }
            let lower = word.to_lowercase();
            if let Some(name) = architectures
                .iter()
                .find(|name| lower.contains(name.as_str()))
            {
                broken.push(format!("{path}: {word} names {name}"));
            }
        }
    }
    none(
        &broken,
        "one `forward`, many declarations: no architecture's name outside src/models/",
    );
}

#[test]
fn unsafe_stays_where_it_is_listed() {
    let mut broken = Vec::new();
    let mut idle = MAY_BE_UNSAFE.to_vec();
    for path in library() {
        if words_of(&path).iter().any(|word| word == "unsafe") {
            idle.retain(|start| !path.starts_with(start));
            if !MAY_BE_UNSAFE.iter().any(|start| path.starts_with(start)) {
                broken.push(path);
            }
        }
    }
    assert!(
        idle.is_empty(),
        "listed in tests/rust/rooms.rs, but without `unsafe`: {idle:?}"
    );
    none(
        &broken,
        "`unsafe` only in the files that tests/rust/rooms.rs lists",
    );
}

#[test]
fn only_bindings_speak_to_javascript() {
    let mut broken = Vec::new();
    let mut silent = SPEAK_TO_JAVASCRIPT.to_vec();
    for path in library() {
        let words = words_of(&path);
        let name = words
            .iter()
            .find(|word| ["wasm_bindgen", "js_sys", "web_sys"].contains(&word.as_str()));
        match name {
            Some(_) if SPEAK_TO_JAVASCRIPT.contains(&path.as_str()) => {
                silent.retain(|file| *file != path);
            }
            Some(name) => broken.push(format!("{path}: {name}")),
            None => {}
        }
    }
    none(&broken, "only the bindings name wasm_bindgen");
    assert!(
        silent.is_empty(),
        "listed as bindings, but without wasm_bindgen: {silent:?}"
    );
}

fn written_by_hand() -> Vec<String> {
    let extensions = ["rs", "ts", "tsx", "js", "mjs", "css", "py"];
    let all: Vec<_> = ["src", "pkg", "www", "tests"]
        .iter()
        .flat_map(|folder| files(folder, &extensions))
        .collect();
    assert!(all.len() > 30, "the repository is more than {all:?}");
    all
}

#[test]
fn files_are_short_and_say_what_they_are_for() {
    let mut broken = Vec::new();
    for path in written_by_hand() {
        let text = read(&path);
        let lines = text.lines().count();
        if lines > MOST_LINES {
            broken.push(format!(
                "{path}: {lines} lines, at most {MOST_LINES}; split it by noun"
            ));
        }
        let first = text
            .lines()
            .find(|line| !line.starts_with("#!/"))
            .unwrap_or_default();
        if !["//", "/*", "#", "\"\"\""]
            .iter()
            .any(|comment| first.starts_with(comment))
        {
            broken.push(format!(
                "{path}: opens with {first:?}, not with what it is for"
            ));
        }
        let stem = Path::new(&path)
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .to_lowercase();
        if EMPTY_NAMES.contains(&stem.as_str()) {
            broken.push(format!("{path}: its name says nothing about what it holds"));
        }
    }
    none(
        &broken,
        "every file is short, has a telling name and opens with one line on its purpose",
    );
}

/// The module specifiers of static and dynamic imports, exports-from and module-relative addresses.
fn specifiers(text: &str) -> Vec<&str> {
    let quote = ['"', '\''];
    ["from ", "import ", "import(", "new URL("]
        .iter()
        .flat_map(|before| text.split(before).skip(1))
        .filter_map(|rest| rest.trim_start().strip_prefix(quote)?.split(quote).next())
        .collect()
}

#[test]
fn the_app_is_a_customer_of_the_package() {
    let mut broken = Vec::new();
    let mut customer = false;
    // Entry points with types; what else is exported is for bundlers.
    let package = read("pkg/package.json");
    let is_entry = |name: &str| package.contains(&format!("\"./{name}\": {{"));
    for path in files("www", &["ts", "tsx", "js", "mjs"]) {
        let text = read(&path);
        for specifier in specifiers(&text) {
            customer |= specifier == "smidgen";
            let mut place = Path::new(&path)
                .parent()
                .map(Path::to_owned)
                .unwrap_or_default();
            if specifier.starts_with("..") || specifier.starts_with("./") {
                for segment in specifier.split('/') {
                    match segment {
                        "." => {}
                        ".." => drop(place.pop()),
                        segment => place.push(segment),
                    }
                }
                if !place.starts_with("www") {
                    broken.push(format!("{path}: {specifier} leaves www/"));
                }
            } else if let Some(name) = specifier.strip_prefix("smidgen/")
                && !is_entry(name)
            {
                broken.push(format!(
                    "{path}: {specifier} is not the package's public face"
                ));
            }
        }
    }
    none(
        &broken,
        "www/ imports the package by its name and nothing else of this repository",
    );
    assert!(customer, "www/ does not import the package");
}

#[test]
fn the_worker_alone_imports_the_wasm() {
    let mut broken = Vec::new();
    for path in files("src/js", &["ts"]) {
        let may = [
            "worker.ts",
            "thread.ts",
            "instantiate.ts",
            "wasm-interface.ts",
        ];
        let named = specifiers(&read(&path))
            .iter()
            .any(|specifier| specifier.contains("wasm/"));
        if named && !may.iter().any(|name| path.ends_with(&format!("/{name}"))) {
            broken.push(path);
        }
    }
    none(&broken, "the worker and its threads alone import the wasm");
}
