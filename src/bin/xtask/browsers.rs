//! Finds the browsers that the demo and the tests drive; installs them where apt-get can, else says what to install.

use crate::process::{find, run};
use anyhow::{Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum Browser {
    Chromium,
    Firefox,
    /// WebKitGTK: the engine family of every browser on iPhones
    Webkit,
}

impl Browser {
    pub fn name(self) -> &'static str {
        match self {
            Self::Chromium => "chromium",
            Self::Firefox => "firefox",
            Self::Webkit => "webkit",
        }
    }

    /// A variable that names the executable where it is not in a usual place.
    fn variable(self) -> &'static str {
        match self {
            Self::Chromium => "SMIDGEN_CHROMIUM",
            Self::Firefox => "SMIDGEN_FIREFOX",
            Self::Webkit => "SMIDGEN_WEBKIT",
        }
    }

    fn programs(self) -> &'static [&'static str] {
        match self {
            Self::Chromium => &[
                "chromium",
                "chromium-browser",
                "google-chrome",
                "google-chrome-stable",
                "chrome",
            ],
            Self::Firefox => &["firefox-esr", "firefox"],
            Self::Webkit => &["MiniBrowser"],
        }
    }

    /// Places off PATH.
    fn places(self) -> &'static [&'static str] {
        match self {
            Self::Chromium => &[
                "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
                "/Applications/Chromium.app/Contents/MacOS/Chromium",
                r"C:\Program Files\Google\Chrome\Application\chrome.exe",
                r"C:\Program Files (x86)\Microsoft\Edge\Application\msedge.exe",
            ],
            Self::Firefox => &[
                "/Applications/Firefox.app/Contents/MacOS/firefox",
                r"C:\Program Files\Mozilla Firefox\firefox.exe",
            ],
            Self::Webkit => &[
                "/usr/lib/x86_64-linux-gnu/webkit2gtk-4.1/MiniBrowser",
                "/usr/lib/aarch64-linux-gnu/webkit2gtk-4.1/MiniBrowser",
                "/usr/libexec/webkit2gtk-4.1/MiniBrowser",
            ],
        }
    }

    fn packages(self) -> &'static [&'static str] {
        match self {
            Self::Chromium => &["chromium", "chromium-driver"],
            Self::Firefox => &["firefox-esr"],
            Self::Webkit => &[
                "webkit2gtk-driver",
                "xvfb",
                "xauth",
                // A view that keeps its profile (tests/e2e/drive/webkit-view.py).
                "python3-gi",
                "python3-gi-cairo",
                "gir1.2-webkit2-4.1",
            ],
        }
    }

    fn look(self) -> Option<PathBuf> {
        if let Some(named) = std::env::var_os(self.variable()) {
            return Some(PathBuf::from(named));
        }
        let on_path = self.programs().iter().find_map(|program| find(program));
        on_path.or_else(|| {
            self.places()
                .iter()
                .map(PathBuf::from)
                .find(|place| place.is_file())
        })
    }

    /// The browser's executable.
    pub fn executable(self) -> Result<PathBuf> {
        if let Some(found) = self.look() {
            return Ok(found);
        }
        apt_install(self.packages())?;
        match self.look() {
            Some(found) => Ok(found),
            None => bail!(
                "{name} is needed: install it (on Debian: apt-get install {packages}) or name its executable in {variable}",
                name = self.name(),
                packages = self.packages().join(" "),
                variable = self.variable(),
            ),
        }
    }
}

/// ChromeDriver, which the wasm tests run through.
pub fn chromedriver() -> Result<PathBuf> {
    let look = || {
        std::env::var_os("CHROMEDRIVER")
            .map(PathBuf::from)
            .or_else(|| find("chromedriver"))
    };
    if let Some(found) = look() {
        return Ok(found);
    }
    apt_install(Browser::Chromium.packages())?;
    match look() {
        Some(found) => Ok(found),
        None => bail!(
            "chromedriver of the installed Chromium's version is needed on PATH or in CHROMEDRIVER"
        ),
    }
}

/// Does nothing where there is no apt-get or no right to use it: the caller then says what is missing.
fn apt_install(packages: &[&str]) -> Result<()> {
    let Some(apt) = find("apt-get") else {
        return Ok(());
    };
    if !is_root() {
        return Ok(());
    }
    let step = format!("Installing {}", packages.join(" "));
    let install = |step: &str| {
        let mut install = Command::new(&apt);
        install.env("DEBIAN_FRONTEND", "noninteractive");
        run(
            step,
            install
                .args(["install", "-y", "-q", "--no-install-recommends"])
                .args(packages),
        )
    };
    // A fresh image has no package lists, and old lists name versions that are gone.
    install(&step).or_else(|_| {
        run(
            "Fetching package lists",
            Command::new(&apt).args(["update", "-q"]),
        )?;
        install(&step)
    })
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

/// Where Chromium must run without its sandbox, which the kernel refuses to root in most containers.
pub fn without_sandbox() -> bool {
    cfg!(target_os = "linux") && (is_root() || Path::new("/.dockerenv").exists())
}
