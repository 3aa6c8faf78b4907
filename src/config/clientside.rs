//! What a deployment lets its callers set: `configurable_clientside_auth_params`.

use regex_lite::Regex;

use super::node::{Node, Value};
use super::report::Report;

/// A parameter that callers may set, and to what.
#[derive(Debug, Clone)]
pub struct ClientsideParam {
    name: String,
    /// What the whole value must match; anything is allowed without it.
    pattern: Option<Regex>,
}

impl ClientsideParam {
    /// Allows any value.
    pub fn any(name: &str) -> Self {
        Self {
            name: usual(name).to_owned(),
            pattern: None,
        }
    }

    /// Allows the values that `pattern` matches from beginning to end.
    ///
    /// # Errors
    ///
    /// What is wrong with the pattern.
    pub fn matching(name: &str, pattern: &str) -> Result<Self, String> {
        let problem = |error: regex_lite::Error| error.to_string();
        // By itself too: `a)|(b` would otherwise match more than it says.
        Regex::new(pattern).map_err(problem)?;
        Ok(Self {
            name: usual(name).to_owned(),
            pattern: Some(Regex::new(&format!(r"\A(?:{pattern})\z")).map_err(problem)?),
        })
    }

    /// Returns the parameter's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Says whether a caller may set `name` to `value`, as far as this goes.
    pub fn allows(&self, name: &str, value: &str) -> bool {
        let matches = |pattern: &Regex| pattern.is_match(value);
        self.name == usual(name) && self.pattern.as_ref().is_none_or(matches)
    }
}

/// Two names of one parameter are one parameter.
fn usual(name: &str) -> &str {
    match name {
        "base_url" => "api_base",
        "region_name" => "aws_region_name",
        other => other,
    }
}

/// Reads the list: names, and mappings of a name to a pattern.
pub(super) fn params(node: Option<&Node>, path: &str, report: &mut Report) -> Vec<ClientsideParam> {
    let mut params = Vec::new();
    for (index, item) in node.map(Node::items).unwrap_or_default().iter().enumerate() {
        let path = format!("{path}.litellm_params.configurable_clientside_auth_params[{index}]");
        if let Value::Text(name) = &item.value {
            params.push(ClientsideParam::any(name));
        }
        for entry in item.entries() {
            let path = format!("{path}.{}", entry.key);
            let Some(pattern) = entry.node.text() else {
                let found = entry.node.type_name();
                report.error(
                    entry.at,
                    &path,
                    format!("expected a pattern, found {found}"),
                );
                continue;
            };
            match ClientsideParam::matching(&entry.key, pattern) {
                Ok(param) => params.push(param),
                Err(problem) => {
                    report
                        .error(
                            entry.node.at,
                            &path,
                            format!("the pattern cannot be used: {problem}"),
                        )
                        .hint("it is a regular expression that the whole value must match");
                }
            }
        }
    }
    params
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_value_must_match() {
        let param = ClientsideParam::matching("api_base", r"https://[a-z]+\.example\.com|http://x")
            .unwrap();
        for good in ["https://a.example.com", "http://x"] {
            assert!(param.allows("api_base", good), "{good}");
            assert!(param.allows("base_url", good), "{good}");
        }
        for bad in [
            "https://a.example.com.evil.test",
            "https://evil.test/?https://a.example.com",
            "https://a.example.com\n",
            "http://xy",
            "",
        ] {
            assert!(!param.allows("api_base", bad), "{bad}");
        }
        assert!(!param.allows("aws_sts_endpoint", "http://x"));
        // The longer of two alternatives counts, although the shorter is tried first.
        assert!(
            ClientsideParam::matching("p", "a|ab")
                .unwrap()
                .allows("p", "ab")
        );
    }

    #[test]
    fn unusable_pattern_is_refused() {
        for pattern in ["(", "a)|(b", "(?x)a # rest", "[z-a]"] {
            assert!(
                ClientsideParam::matching("p", pattern).is_err(),
                "{pattern}"
            );
        }
    }

    #[test]
    fn name_alone_allows_any_value_of_that_name() {
        let param = ClientsideParam::any("region_name");
        assert!(param.allows("aws_region_name", "eu-west-1"));
        assert!(!param.allows("api_base", "eu-west-1"));
    }
}
