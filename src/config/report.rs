//! Collects what is found while a configuration is read.

use std::collections::BTreeSet;

use super::finding::{Finding, Findings, Severity};
use super::node::At;
use super::origin::Place;

/// The findings so far, and the names of the sources that they lie in.
#[derive(Debug, Default)]
pub(super) struct Report {
    sources: Vec<String>,
    found: Vec<(At, Finding)>,
    said: BTreeSet<String>,
}

impl Report {
    /// Adds a source and returns its index.
    pub(super) fn add_source(&mut self, name: impl Into<String>) -> u32 {
        self.sources.push(name.into());
        u32::try_from(self.sources.len() - 1).unwrap_or(u32::MAX)
    }

    /// Adds an error.
    pub(super) fn error(&mut self, at: At, key: &str, message: impl Into<String>) -> &mut Finding {
        self.add(Severity::Error, at, key, message.into())
    }

    /// Adds a warning.
    pub(super) fn warn(&mut self, at: At, key: &str, message: impl Into<String>) -> &mut Finding {
        self.add(Severity::Warning, at, key, message.into())
    }

    /// Says whether `topic` comes up for the first time, for what is said once only.
    pub(super) fn first_time(&mut self, topic: &str) -> bool {
        self.said.insert(topic.to_owned())
    }

    /// Returns the first finding about a key.
    pub(super) fn about(&mut self, key: &str) -> Option<&mut Finding> {
        self.found
            .iter_mut()
            .map(|(_, finding)| finding)
            .find(|finding| finding.key == key)
    }

    /// Returns a place with the name of its source.
    pub(super) fn place(&self, at: At) -> Place {
        let file = usize::try_from(at.source)
            .ok()
            .and_then(|source| self.sources.get(source).or_else(|| self.sources.first()))
            .cloned()
            .unwrap_or_default();
        Place {
            file,
            line: at.line as usize,
            column: at.column as usize,
        }
    }

    fn add(&mut self, severity: Severity, at: At, key: &str, message: String) -> &mut Finding {
        let Place { file, line, column } = self.place(at);
        let finding = Finding {
            file,
            line,
            column,
            severity,
            key: key.to_owned(),
            message,
            hint: None,
        };
        let place = self.found.len();
        self.found.push((at, finding));
        // The element pushed a line above.
        #[expect(clippy::indexing_slicing, reason = "the element was pushed just now")]
        let (_, finding) = &mut self.found[place];
        finding
    }

    /// Says whether an error was found.
    pub(super) fn has_errors(&self) -> bool {
        self.found
            .iter()
            .any(|(_, finding)| finding.severity == Severity::Error)
    }

    /// Returns all findings in the order of the sources and their lines.
    pub(super) fn into_findings(mut self) -> Findings {
        self.found
            .sort_by_key(|(at, _)| (at.source, at.line, at.column));
        Findings(self.found.into_iter().map(|(_, finding)| finding).collect())
    }
}

impl Finding {
    /// Adds what was probably meant, or what to do.
    pub(super) fn hint(&mut self, hint: impl Into<String>) {
        self.hint = Some(hint.into());
    }
}

/// Returns the known word that is closest to `word`, if it is close enough to be a slip of the pen.
pub(super) fn nearest<'a>(
    word: &str,
    known: impl IntoIterator<Item = &'a str>,
    farthest: usize,
) -> Option<&'a str> {
    known
        .into_iter()
        .map(|candidate| (strsim::osa_distance(word, candidate), candidate))
        .filter(|(distance, candidate)| {
            *distance <= farthest
                && *distance < candidate.chars().count()
                && *distance < word.chars().count()
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Words a suggestion.
pub(super) fn did_you_mean(word: &str) -> String {
    format!("did you mean `{word}`?")
}
