//! What a request for an operation other than chat carries beside its subject.

use super::{ParamMap, RawJson};

/// The members of a request beside its subject: known to nobody yet, because each family of models takes others.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Members that are for the model (`dimensions`, `size`, `top_n`, and every native one), by name, as written.
    pub members: ParamMap,
    /// `guardrailConfig`, `guardrail_config`, as written.
    pub guardrail: Option<RawJson>,
    /// `drop_params` of the request.
    pub drop_params: Option<bool>,
    /// `additional_drop_params`: parameters that are removed first.
    pub additional_drop_params: Vec<String>,
    /// `allowed_openai_params`: parameters that are sent as they are although the model is not known to take them.
    pub allowed_openai_params: Vec<String>,
    /// `extra_headers` of the request: name and value.
    pub extra_headers: Vec<(String, String)>,
}

impl Options {
    /// Returns the member `name`.
    pub fn member(&self, name: &str) -> Option<&RawJson> {
        self.members
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value)
    }

    /// Sets a member; a later one with the same name replaces it in its place.
    pub fn set(&mut self, name: &str, value: RawJson) {
        match self.members.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => *old = value,
            None => self.members.push((name.to_owned(), value)),
        }
    }
}
