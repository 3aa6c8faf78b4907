//! The names of what is kept in Redis. Everything begins with `switchyard:` and the namespace.
//!
//! What scripts touch together has one hash tag, so that in a cluster it lies on one node; values of the response cache
//! have none, and spread.

/// Makes the names.
#[derive(Debug, Clone)]
pub(super) struct Keys {
    /// Before every name.
    prefix: String,
    /// Before what scripts touch: the prefix and a hash tag.
    state: String,
}

impl Keys {
    pub(super) fn new(namespace: Option<&str>) -> Self {
        // Braces would begin a hash tag of their own.
        let namespace = namespace
            .unwrap_or_default()
            .trim_matches(':')
            .replace(['{', '}'], "_");
        let (prefix, tag) = if namespace.is_empty() {
            ("switchyard:".to_owned(), "state")
        } else {
            (format!("switchyard:{namespace}:"), namespace.as_str())
        };
        Self {
            state: format!("{prefix}{{{tag}}}:"),
            prefix,
        }
    }

    /// The instances and when each was heard of last.
    pub(super) fn instances(&self) -> String {
        format!("{}instances", self.state)
    }

    /// Calls under way, by instance.
    pub(super) fn flights(&self) -> String {
        format!("{}flights", self.state)
    }

    /// Cooldowns in force.
    pub(super) fn cooldowns(&self) -> String {
        format!("{}cooldowns", self.state)
    }

    /// Nanodollars spent.
    pub(super) fn spent(&self) -> String {
        format!("{}spent", self.state)
    }

    /// When the periods of what was spent end.
    pub(super) fn ends(&self) -> String {
        format!("{}spent:ends", self.state)
    }

    /// There while the server is new, and waits for instances to hand in what they hold.
    pub(super) fn settling(&self) -> String {
        format!("{}settling", self.state)
    }

    /// There while the server has its data.
    pub(super) fn known(&self) -> String {
        format!("{}known", self.state)
    }

    /// The last report of an instance that was counted.
    pub(super) fn applied(&self, instance: &str) -> String {
        format!("{}applied:{instance}", self.state)
    }

    /// The buckets of a window by their latest instant, and what they hold.
    pub(super) fn window(&self, key: &str) -> [String; 2] {
        [
            format!("{}window:{key}", self.state),
            format!("{}window:{key}:amounts", self.state),
        ]
    }

    /// What each instance holds of a gauge. Twice, because scripts take two names for each limit.
    pub(super) fn gauge(&self, key: &str) -> [String; 2] {
        let name = format!("{}gauge:{key}", self.state);
        [name.clone(), name]
    }

    /// A value of the response cache.
    pub(super) fn value(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    /// A pattern for `SCAN` that finds the values whose keys begin with `prefix`.
    pub(super) fn pattern(&self, prefix: &str) -> String {
        let mut pattern = String::with_capacity(self.prefix.len() + prefix.len() + 1);
        for letter in self.prefix.chars().chain(prefix.chars()) {
            if matches!(letter, '*' | '?' | '[' | ']' | '\\' | '^') {
                pattern.push('\\');
            }
            pattern.push(letter);
        }
        pattern.push('*');
        pattern
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_begin_with_switchyard_and_the_namespace() {
        let keys = Keys::new(Some("prod"));
        assert_eq!(keys.instances(), "switchyard:prod:{prod}:instances");
        assert_eq!(keys.value("cache:1"), "switchyard:prod:cache:1");
        let keys = Keys::new(None);
        assert_eq!(keys.window("k")[0], "switchyard:{state}:window:k");
    }

    #[test]
    fn a_namespace_cannot_begin_a_hash_tag() {
        let keys = Keys::new(Some("a{b}"));
        assert_eq!(keys.instances(), "switchyard:a_b_:{a_b_}:instances");
    }

    #[test]
    fn patterns_take_a_prefix_literally() {
        assert_eq!(Keys::new(None).pattern("a*[b"), r"switchyard:a\*\[b*");
    }
}
