//! `aws_web_identity_token`, told apart by who wrote it.

use super::secret::Secret;

/// A token of another identity provider, or what says where it is.
///
/// Only an operator may point at files and variables of this machine, so the difference is in the type: a caller's token is
/// always [`WebIdentityToken::Literal`], and nothing looks that up.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum WebIdentityToken {
    /// The operator's: the token, a file's absolute path, a variable's name, or `oidc/…`.
    Reference(Secret),
    /// The token itself.
    Literal(Secret),
}

impl WebIdentityToken {
    /// Says whether nothing is written.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Reference(text) | Self::Literal(text) => text.is_empty(),
        }
    }

    /// Says whether a caller who sent this can have meant a file, a variable or a reference, and not a token. Tokens are
    /// base64 with dots in it, and long.
    pub fn looks_like_a_reference(text: &str) -> bool {
        let is_name = text.len() <= 64
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
        is_name || text.contains(['/', '\\'])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_told_from_tokens() {
        for reference in [
            "os.environ/TOKEN",
            "oidc/env/TOKEN",
            "oidc/file//run/token",
            "/run/secrets/token",
            "C:\\token",
            "AWS_WEB_IDENTITY_TOKEN",
            "home",
        ] {
            assert!(
                WebIdentityToken::looks_like_a_reference(reference),
                "{reference}"
            );
        }
        for token in [
            "eyJhbGciOi.eyJzdWIi.c2ln",
            "Atza|IQEBLjAsAhRmHjNgHpi0U-Dme37rR6CuUpSR",
        ] {
            assert!(!WebIdentityToken::looks_like_a_reference(token), "{token}");
        }
    }
}
