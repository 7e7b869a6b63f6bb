//! Reads built wasm files: what their memory is, whether they hold relaxed instructions, which crate each byte is from.

use crate::flavours::Flavour;
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::path::Path;
use wasmparser::{KnownCustom, MemoryType, Name, Operator, Parser, Payload, TypeRef, Validator};

/// Fails unless the file is a valid module of that flavour: threads build silently without shared memory when the
/// linker is not told, and a page would only notice at run time.
pub fn check(path: &Path, flavour: &Flavour) -> Result<()> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let shown = path.display();
    Validator::new()
        .validate_all(&bytes)
        .with_context(|| format!("{shown} does not validate"))?;
    let imported = imported_memory(&bytes)?;
    let shared = imported.is_some_and(|memory| memory.shared && memory.maximum.is_some());
    if flavour.threads && !shared {
        bail!(
            "{shown}: the memory of {flavour} must be imported and shared, but it is {imported:?}"
        );
    }
    if !flavour.threads && imported.is_some() {
        bail!("{shown}: {flavour} must own its memory, but imports {imported:?}");
    }
    if !flavour.relaxed && holds_relaxed(&bytes)? {
        bail!(
            "{shown}: {flavour} holds relaxed SIMD instructions and would not load where those are unknown"
        );
    }
    Ok(())
}

fn imported_memory(bytes: &[u8]) -> Result<Option<MemoryType>> {
    for payload in Parser::new(0).parse_all(bytes) {
        if let Payload::ImportSection(imports) = payload? {
            for import in imports.into_imports() {
                if let TypeRef::Memory(memory) = import?.ty {
                    return Ok(Some(memory));
                }
            }
        }
    }
    Ok(None)
}

fn holds_relaxed(bytes: &[u8]) -> Result<bool> {
    for payload in Parser::new(0).parse_all(bytes) {
        if let Payload::CodeSectionEntry(body) = payload? {
            let mut operators = body.get_operators_reader()?;
            while !operators.eof() {
                if is_relaxed(&operators.read()?) {
                    return Ok(true);
                }
            }
        }
    }
    Ok(false)
}

fn is_relaxed(operator: &Operator) -> bool {
    // The names of wasmparser follow the specification: I8x16RelaxedSwizzle, F32x4RelaxedMadd, …
    let name = format!("{operator:?}");
    name.split([' ', '('])
        .next()
        .is_some_and(|name| name.contains("Relaxed"))
}

/// Bytes of code by crate, largest first, from the name section of a module that was not stripped.
pub fn code_by_crate(bytes: &[u8]) -> Result<Vec<(String, u64)>> {
    let mut names = BTreeMap::new();
    let mut bodies = Vec::new();
    let mut imported_functions = 0;
    let mut data = 0;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload? {
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    imported_functions += u32::from(matches!(import?.ty, TypeRef::Func(_)));
                }
            }
            Payload::CodeSectionEntry(body) => bodies.push(span(body.range())),
            Payload::DataSection(section) => data = span(section.range()),
            Payload::CustomSection(section) => {
                if let KnownCustom::Name(reader) = section.as_known() {
                    for subsection in reader {
                        if let Name::Function(functions) = subsection? {
                            for naming in functions {
                                let naming = naming?;
                                names.insert(naming.index, naming.name.to_owned());
                            }
                        }
                    }
                }
            }
            _ => {}
        }
    }
    let mut crates = BTreeMap::<String, u64>::new();
    for (index, size) in (imported_functions..).zip(bodies) {
        let owner = names
            .get(&index)
            .map_or("(no name)".to_owned(), |name| owner(name));
        *crates.entry(owner).or_default() += size;
    }
    crates.insert("(data: strings, tables)".to_owned(), data);
    let mut crates: Vec<_> = crates.into_iter().collect();
    crates.sort_by_key(|(_, size)| std::cmp::Reverse(*size));
    Ok(crates)
}

fn span(range: std::ops::Range<u64>) -> u64 {
    range.end - range.start
}

/// The crate of a function: of the implementing type for `<Type as Trait>::method`, else the first segment.
fn owner(symbol: &str) -> String {
    let name = format!("{:#}", rustc_demangle::demangle(symbol));
    let path = name.trim_start_matches(|c: char| !(c.is_alphanumeric() || c == '_'));
    let path = path
        .strip_prefix("dyn ")
        .unwrap_or(path)
        .trim_start_matches("mut ");
    // Whoever demangled it before may have left the crate's hash behind its name.
    let root = |segment: &str| segment.split('[').next().unwrap_or_default().to_owned();
    match path.split_once("::").map(|(first, _)| root(first)) {
        Some(first) if first.chars().all(|c| c.is_alphanumeric() || c == '_') => first,
        _ => "(C names, glue)".to_owned(),
    }
}
