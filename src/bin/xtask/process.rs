//! Child processes: announced, their output kept off our standard output, their failure turned into a sentence.

use anyhow::{Context, Result, bail};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Says on standard error what happens next.
pub fn announce(step: &str) {
    eprintln!("› {step}");
}

/// Runs to success. The child's output goes to standard error: our standard output is for results alone (`--json`).
pub fn run(step: &str, command: &mut Command) -> Result<()> {
    announce(step);
    let status = command
        .stdin(Stdio::null())
        .stdout(std::io::stderr())
        .status()
        .with_context(|| format!("{step}: cannot start `{}`", line(command)))?;
    if !status.success() {
        bail!("{step}: `{}` ended with {status}", line(command));
    }
    Ok(())
}

/// Runs to success and returns what the child wrote to its standard output.
pub fn capture(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start `{}`", line(command)))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!(
            "`{}` ended with {}: {}",
            line(command),
            output.status,
            said.trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs to its end, shows the output while it comes and returns it all, with whether the child succeeded.
pub fn tee(step: &str, command: &mut Command) -> Result<(bool, String)> {
    announce(step);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("{step}: cannot start `{}`", line(command)))?;
    let stdout = child.stdout.take().context("no standard output")?;
    let stderr = child.stderr.take().context("no standard error")?;
    let from_stderr = std::thread::spawn(move || show(stderr));
    let mut said = show(stdout);
    said += &from_stderr.join().unwrap_or_default();
    Ok((child.wait()?.success(), said))
}

fn show(from: impl Read) -> String {
    let mut said = String::new();
    let mut reader = BufReader::new(from);
    let mut bytes = Vec::new();
    while matches!(reader.read_until(b'\n', &mut bytes), Ok(n) if n > 0) {
        let _ = std::io::stderr().write_all(&bytes);
        said += &String::from_utf8_lossy(&bytes);
        bytes.clear();
    }
    said
}

/// The first directory of PATH that holds `program`.
pub fn find(program: &str) -> Option<PathBuf> {
    let file = format!("{program}{}", std::env::consts::EXE_SUFFIX);
    std::env::split_paths(&std::env::var_os("PATH")?)
        .map(|directory| directory.join(&file))
        .find(|path| path.is_file())
}

fn line(command: &Command) -> String {
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}
