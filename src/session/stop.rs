//! Stop texts: holds back text that may be the start of one.

/// Watches a stream of text for the first of several stop texts.
pub(super) struct StopTexts {
    texts: Vec<String>,
    held: String,
}

impl StopTexts {
    pub(super) fn new(texts: &[String]) -> StopTexts {
        let texts = texts.iter().filter(|t| !t.is_empty()).cloned().collect();
        StopTexts {
            texts,
            held: String::new(),
        }
    }

    /// Takes `text`; returns what may be shown, and whether a stop text was met (then nothing may follow).
    pub(super) fn push(&mut self, text: &str) -> (String, bool) {
        self.held.push_str(text);
        if let Some(at) = self.texts.iter().filter_map(|t| self.held.find(t)).min() {
            self.held.truncate(at);
            return (core::mem::take(&mut self.held), true);
        }
        let keep = self.possible_start();
        let rest = self.held.split_off(self.held.len() - keep);
        (core::mem::replace(&mut self.held, rest), false)
    }

    /// What is held back, when the stream ends otherwise.
    pub(super) fn rest(&mut self) -> String {
        core::mem::take(&mut self.held)
    }

    /// Bytes at the end of what is held that are a proper start of a stop text.
    fn possible_start(&self) -> usize {
        let longest = |t: &String| {
            (1..t.len().min(self.held.len() + 1))
                .rev()
                .find(|n| t.is_char_boundary(*n) && self.held.ends_with(&t[..*n]))
        };
        self.texts.iter().filter_map(longest).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::StopTexts;

    #[test]
    fn holds_back_only_what_may_stop() {
        let mut s = StopTexts::new(&["END".into(), "\n\n".into()]);
        assert_eq!(s.push("to the E"), ("to the ".into(), false));
        assert_eq!(s.push("N"), (String::new(), false));
        assert_eq!(s.push("emy\n"), ("ENemy".into(), false));
        assert_eq!(s.push("x EN"), ("\nx ".into(), false));
        assert_eq!(s.push("D of it"), (String::new(), true));
        let mut s = StopTexts::new(&["é!".into()]);
        assert_eq!(s.push("caf\u{e9}"), ("caf".into(), false));
        assert_eq!(s.rest(), "\u{e9}");
    }
}
