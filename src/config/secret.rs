//! Values that must never be printed.

use std::fmt;

use zeroize::Zeroize;

/// A secret: a key, a token. It has no `Display`, and its `Debug` says `[redacted]`.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Secret(String);

impl Secret {
    /// Takes a secret.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// Returns the secret itself, for signing and comparing only.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Says whether the secret is the empty string.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secret_is_not_printed() {
        assert_eq!(format!("{:?}", Secret::new("sk-live")), "[redacted]");
    }
}
