//! A static file server for localhost: cross-origin isolation, ranges, validators. It serves folders, nothing else.

use crate::http::{self, Range};
use anyhow::{Result, anyhow};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::{Duration, UNIX_EPOCH};
use tiny_http::{Header, Method, Request, Response, StatusCode};

/// On every answer: without the first two a page gets no shared memory and so no threads.
const ALWAYS: [(&str, &str); 4] = [
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Embedder-Policy", "require-corp"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("X-Content-Type-Options", "nosniff"),
];

/// A folder and the path it is served below; both ends of the path are slashes.
#[derive(Clone)]
pub struct Mount {
    pub prefix: &'static str,
    pub directory: PathBuf,
}

pub struct Server {
    listener: Arc<tiny_http::Server>,
    port: u16,
    /// Gone with the server.
    _runs: Arc<()>,
}

impl Server {
    /// Serves `mounts`, the first whose prefix fits, in threads of its own. Port 0 takes any free one.
    pub fn start(port: u16, mounts: Vec<Mount>) -> Result<Self> {
        let listener = tiny_http::Server::http(("127.0.0.1", port)).map_err(|error| {
            anyhow!("cannot listen on port {port}: {error}; choose another with --port")
        })?;
        let port = listener
            .server_addr()
            .to_ip()
            .map_or(port, |address| address.port());
        let listener = Arc::new(listener);
        let accepting = Arc::clone(&listener);
        let mounts: Arc<[Mount]> = mounts.into();
        std::thread::spawn(move || {
            for request in accepting.incoming_requests() {
                let mounts = Arc::clone(&mounts);
                // A browser that reads a model slowly must not hold up the page's other requests.
                std::thread::spawn(move || answer(request, &mounts));
            }
        });
        let runs = Arc::new(());
        free_a_thread_again_and_again(port, Arc::downgrade(&runs));
        Ok(Self {
            listener,
            port,
            _runs: runs,
        })
    }

    pub fn address(&self) -> String {
        format!("http://localhost:{}", self.port)
    }
}

/// Where several connections come at once, tiny_http's pool may count one idle thread for two of them, and the second
/// then waits until another one ends, which a browser keeps alive: the page stands still. A connection that ends at
/// once frees a thread, and that one looks who waits.
fn free_a_thread_again_and_again(port: u16, server: Weak<()>) {
    std::thread::spawn(move || {
        while server.strong_count() > 0 {
            std::thread::sleep(Duration::from_millis(100));
            let _ = TcpStream::connect(("127.0.0.1", port));
        }
    });
}

impl Drop for Server {
    fn drop(&mut self) {
        self.listener.unblock();
    }
}

type Body = Box<dyn Read + Send>;

fn answer(request: Request, mounts: &[Mount]) {
    let response = respond(&request, mounts);
    // A client that has gone away is no fault of ours.
    let _ = request.respond(response);
}

fn respond(request: &Request, mounts: &[Mount]) -> Response<Body> {
    if !matches!(request.method(), Method::Get | Method::Head) {
        return text(405, "only GET and HEAD are served here")
            .with_header(header("Allow", "GET, HEAD"));
    }
    let path = request.url().split(['?', '#']).next().unwrap_or_default();
    let Some(file) = locate(path, mounts) else {
        return text(404, &format!("there is no {path} here"));
    };
    match file_response(request, &file) {
        Ok(response) => response,
        Err(error) => text(404, &format!("{path} cannot be read: {error}")),
    }
}

fn locate(path: &str, mounts: &[Mount]) -> Option<PathBuf> {
    let mount = mounts.iter().find(|mount| path.starts_with(mount.prefix))?;
    let file = mount
        .directory
        .join(http::relative_path(&path[mount.prefix.len()..])?);
    if !file.is_dir() {
        return Some(file).filter(|file| file.is_file());
    }
    // Without the final slash the page's relative addresses would be taken from the folder above.
    path.ends_with('/')
        .then(|| file.join("index.html"))
        .filter(|file| file.is_file())
}

fn file_response(request: &Request, path: &Path) -> std::io::Result<Response<Body>> {
    let mut file = File::open(path)?;
    let metadata = file.metadata()?;
    let length = metadata.len();
    let modified = metadata
        .modified()?
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let etag = format!("\"{length:x}-{:x}\"", modified.as_nanos());
    let validators = [
        header("ETag", &etag),
        header("Cache-Control", http::cache_control(path)),
    ];

    if field(request, "If-None-Match").is_some_and(|given| http::matches(given, &etag)) {
        // The length is that of the body that is not sent.
        return Ok(with_headers(empty(304, length), validators));
    }
    let mut range =
        field(request, "Range").map_or(Range::Whole, |given| http::range(given, length));
    // If-Range: the part is only of use if the file is still the one that the client has the rest of.
    if field(request, "If-Range").is_some_and(|given| given != etag) {
        range = Range::Whole;
    }
    let (status, first, size) = match range {
        Range::Whole => (200, 0, length),
        Range::Part(first, last) => (206, first, last - first + 1),
        Range::Unsatisfiable => {
            let total = format!("bytes */{length}");
            return Ok(with_headers(empty(416, 0), validators)
                .with_header(header("Content-Range", &total)));
        }
    };
    file.seek(SeekFrom::Start(first))?;
    let body: Body = Box::new(file.take(size));
    let mut response = answer_with(status, body, usize::try_from(size).ok())
        .with_header(header("Content-Type", http::content_type(path)))
        .with_header(header("Accept-Ranges", "bytes"));
    if status == 206 {
        let part = format!("bytes {first}-{}/{length}", first + size - 1);
        response = response.with_header(header("Content-Range", &part));
    }
    Ok(with_headers(response, validators))
}

fn answer_with(status: u16, body: Body, length: Option<usize>) -> Response<Body> {
    let headers = ALWAYS.map(|(name, value)| header(name, value)).to_vec();
    // Chunked coding would hide the length, and with it the progress of a download.
    Response::new(StatusCode(status), headers, body, length, None)
        .with_chunked_threshold(usize::MAX)
}

fn empty(status: u16, length: u64) -> Response<Body> {
    answer_with(
        status,
        Box::new(std::io::empty()),
        usize::try_from(length).ok(),
    )
}

fn text(status: u16, message: &str) -> Response<Body> {
    let bytes = format!("{message}\n").into_bytes();
    let length = bytes.len();
    answer_with(status, Box::new(std::io::Cursor::new(bytes)), Some(length))
        .with_header(header("Content-Type", "text/plain; charset=utf-8"))
        .with_header(header("Cache-Control", "no-store"))
}

fn with_headers(response: Response<Body>, headers: [Header; 2]) -> Response<Body> {
    headers.into_iter().fold(response, Response::with_header)
}

fn field<'a>(request: &'a Request, name: &'static str) -> Option<&'a str> {
    request
        .headers()
        .iter()
        .find(|header| header.field.equiv(name))
        .map(|header| header.value.as_str())
}

fn header(name: &str, value: &str) -> Header {
    Header::from_bytes(name, value).expect("headers made here are ASCII")
}
