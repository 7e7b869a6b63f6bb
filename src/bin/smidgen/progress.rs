//! A bar on standard error while something takes long; nothing where that is no terminal.

use indicatif::{ProgressBar, ProgressStyle};

/// One bar.
pub struct Progress(ProgressBar);

impl Progress {
    /// A bar of `total` steps called `unit`.
    pub fn new(total: u64, unit: &str) -> Progress {
        let bar = ProgressBar::new(total);
        let form = format!("{{bar:30}} {{pos}}/{{len}} {unit}, {{eta}} left  {{msg}}");
        bar.set_style(
            ProgressStyle::with_template(&form).expect("a template that indicatif knows"),
        );
        Progress(bar)
    }

    /// `n` steps more, and what to say beside the bar.
    pub fn advance(&self, n: u64, message: &str) {
        self.0.inc(n);
        self.0.set_message(message.to_owned());
    }

    /// Prints a line above the bar, on standard output.
    pub fn line(&self, line: &str) {
        self.0.suspend(|| println!("{line}"));
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.0.finish_and_clear();
    }
}
