//! The parts of HTTP that a static file server decides: paths, types, validators and byte ranges. No input, no output.

use std::path::{Path, PathBuf};

/// The file path a request path names below a mount, or nothing if it tries to leave it.
pub fn relative_path(path: &str) -> Option<PathBuf> {
    let decoded = percent_decode(path)?;
    let mut relative = PathBuf::new();
    for segment in decoded.split('/') {
        match segment {
            "" | "." => {}
            ".." => return None,
            // A backslash or a drive letter is a path of its own on some systems; NUL ends one.
            segment if segment.contains(['\\', ':', '\0']) => return None,
            segment => relative.push(segment),
        }
    }
    Some(relative)
}

fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digit = |byte: u8| (byte as char).to_digit(16);
                let value = digit(rest.next()?)? * 16 + digit(rest.next()?)?;
                u8::try_from(value).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

pub fn content_type(path: &Path) -> &'static str {
    match path
        .extension()
        .and_then(|extension| extension.to_str())
        .unwrap_or_default()
    {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json; charset=utf-8",
        "webmanifest" => "application/manifest+json; charset=utf-8",
        "txt" | "md" => "text/plain; charset=utf-8",
        "wasm" => "application/wasm",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "pdf" => "application/pdf",
        _ => "application/octet-stream",
    }
}

/// A file whose name holds its content's hash (`index-BqX3w9_k.js`) never changes; everything else is asked for anew.
pub fn cache_control(path: &Path) -> &'static str {
    let stem = path
        .file_stem()
        .and_then(|stem| stem.to_str())
        .unwrap_or_default();
    let extension = path
        .extension()
        .and_then(|extension| extension.to_str())
        .unwrap_or_default();
    let in_assets = path
        .parent()
        .and_then(Path::file_name)
        .is_some_and(|name| name == "assets");
    // The name and hash are joined by a dash, and a hash may hold dashes itself.
    let hashed = stem.len() > 9
        && stem.is_char_boundary(stem.len() - 9)
        && stem[stem.len() - 9..].starts_with('-')
        && stem[stem.len() - 8..]
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if in_assets && hashed && extension != "html" {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    }
}

#[derive(Debug, PartialEq, Eq)]
pub enum Range {
    /// No range, or one that this server need not understand: the whole file.
    Whole,
    /// First and last byte, both included.
    Part(u64, u64),
    /// Status 416.
    Unsatisfiable,
}

/// A `Range` header against a file of `length` bytes (RFC 9110, section 14). Several ranges at once get the whole.
pub fn range(header: &str, length: u64) -> Range {
    let Some(spec) = header.trim().strip_prefix("bytes=") else {
        return Range::Whole;
    };
    let Some((first, last)) = spec.split_once('-') else {
        return Range::Whole;
    };
    let number = |text: &str| -> Option<Option<u64>> {
        match text.trim() {
            "" => Some(None),
            text if text.bytes().all(|byte| byte.is_ascii_digit()) => {
                Some(Some(text.parse().unwrap_or(u64::MAX)))
            }
            _ => None,
        }
    };
    let (Some(first), Some(last)) = (number(first), number(last)) else {
        return Range::Whole;
    };
    match (first, last) {
        (None, None) => Range::Whole,
        (None, Some(0)) => Range::Unsatisfiable,
        (None, Some(_)) if length == 0 => Range::Unsatisfiable,
        (None, Some(suffix)) => Range::Part(length.saturating_sub(suffix), length - 1),
        (Some(first), Some(last)) if last < first => Range::Whole,
        (Some(first), _) if first >= length => Range::Unsatisfiable,
        (Some(first), last) => Range::Part(first, last.unwrap_or(u64::MAX).min(length - 1)),
    }
}

/// Whether an `If-None-Match` header names this validator. The comparison is the weak one.
pub fn matches(header: &str, etag: &str) -> bool {
    header
        .split(',')
        .map(|one| one.trim().trim_start_matches("W/"))
        .any(|one| one == "*" || one == etag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_inside() {
        assert_eq!(
            relative_path("/a/./b%20c.js"),
            Some(PathBuf::from("a/b c.js"))
        );
        for outside in [
            "/../a",
            "/a/%2e%2e/b",
            "/a/..%2f..%2fb",
            "/a%5c..%5cb",
            "/c:/b",
            "/a%00",
            "/%zz",
            "/%",
        ] {
            assert_eq!(relative_path(outside), None, "{outside}");
        }
    }

    #[test]
    fn ranges() {
        assert_eq!(range("bytes=0-3", 10), Range::Part(0, 3));
        assert_eq!(range("bytes=4-", 10), Range::Part(4, 9));
        assert_eq!(range("bytes=4-99", 10), Range::Part(4, 9));
        assert_eq!(range("bytes=-3", 10), Range::Part(7, 9));
        assert_eq!(range("bytes=-30", 10), Range::Part(0, 9));
        assert_eq!(range("bytes=10-", 10), Range::Unsatisfiable);
        assert_eq!(range("bytes=-0", 10), Range::Unsatisfiable);
        assert_eq!(range("bytes=0-", 0), Range::Unsatisfiable);
        for whole in [
            "bytes=3-1",
            "bytes=0-1,3-4",
            "lines=0-1",
            "bytes=a-b",
            "bytes=-",
            "bytes=+1-2",
            "",
        ] {
            assert_eq!(range(whole, 10), Range::Whole, "{whole}");
        }
        // A first byte too large for 64 bits is not "no first byte".
        assert_eq!(
            range("bytes=99999999999999999999-", 10),
            Range::Unsatisfiable
        );
    }

    #[test]
    fn only_hashed_assets_are_immutable() {
        let immutable = |path: &str| cache_control(Path::new(path)).contains("immutable");
        assert!(immutable("assets/index-BqX3w9_k.js"));
        assert!(immutable("assets/smidgen_bg-Bq-3w9_k.wasm"));
        for changing in [
            "index.html",
            "sw.js",
            "assets/index.js",
            "models/a-12345678.gguf",
            "manifest.webmanifest",
        ] {
            assert!(!immutable(changing), "{changing}");
        }
    }

    #[test]
    fn validators() {
        assert!(matches("\"a\", W/\"b\"", "\"b\""));
        assert!(matches("*", "\"b\""));
        assert!(!matches("\"ab\"", "\"b\""));
    }
}
