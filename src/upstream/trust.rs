//! Whose certificates are believed: the machine's, a bundle's, or anybody's.

use std::path::PathBuf;

/// Whose certificates are believed, as `ssl_verify` says.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub enum Trust {
    /// Those that the machine trusts.
    #[default]
    Platform,
    /// Only those signed by an authority in this PEM file.
    Bundle(PathBuf),
    /// Anybody's: the connection is encrypted, but not authenticated.
    Anybody,
}

impl Trust {
    /// Reads `ssl_verify`: absent or `true`, `false`, or a path.
    pub fn from_setting(ssl_verify: Option<&str>) -> Self {
        match ssl_verify {
            None => Self::Platform,
            Some(text) if text.is_empty() || text.eq_ignore_ascii_case("true") => Self::Platform,
            Some(text) if text.eq_ignore_ascii_case("false") => Self::Anybody,
            Some(path) => Self::Bundle(PathBuf::from(path)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn setting_is_read() {
        assert_eq!(Trust::from_setting(None), Trust::Platform);
        assert_eq!(Trust::from_setting(Some("True")), Trust::Platform);
        assert_eq!(Trust::from_setting(Some("false")), Trust::Anybody);
        assert_eq!(
            Trust::from_setting(Some("/etc/ca.pem")),
            Trust::Bundle("/etc/ca.pem".into())
        );
    }
}
