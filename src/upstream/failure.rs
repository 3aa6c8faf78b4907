//! Why a request got no answer, told apart by type and never by text.

use std::error::Error as StdError;
use std::fmt;
use std::io;

use crate::error::{Error, ErrorKind};

/// What stood between us and an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendFailure {
    /// The address cannot be called: not a URL, or not http(s).
    Address,
    /// The host name could not be resolved.
    Dns,
    /// Nobody accepted the connection.
    Connect,
    /// The TLS handshake failed, or the CA bundle cannot be read.
    Tls,
    /// The connection ended before the answer did.
    Reset,
    /// Connecting took too long.
    Timeout,
    /// The answer is larger than is accepted.
    TooLarge,
    /// The request could not be signed or written.
    Request,
}

/// Why a request got no answer, or only a part of one.
#[derive(Debug)]
pub struct SendError {
    failure: SendFailure,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl SendError {
    /// Makes an error without a cause.
    pub fn new(failure: SendFailure) -> Self {
        Self {
            failure,
            source: None,
        }
    }

    /// Makes an error with its cause.
    pub fn because(
        failure: SendFailure,
        source: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        Self {
            failure,
            source: Some(source.into()),
        }
    }

    /// Returns what stood in the way.
    pub fn failure(&self) -> SendFailure {
        self.failure
    }

    /// Reads a client error; its URL is dropped, because it may hold what must not be logged.
    pub(super) fn from_reqwest(error: reqwest::Error) -> Self {
        let error = error.without_url();
        let failure = if error.is_timeout() {
            SendFailure::Timeout
        } else if error.is_builder() {
            SendFailure::Request
        } else if error.is_dns() {
            SendFailure::Dns
        } else if causes(&error).any(is_tls) {
            SendFailure::Tls
        } else if error.is_connect() {
            SendFailure::Connect
        } else {
            SendFailure::Reset
        };
        Self::because(failure, error)
    }
}

/// The error and what is below it, outermost first.
pub(super) fn causes<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error| inner(*error))
}

/// An `io::Error` made from another error skips that one in `source()`; this does not.
fn inner<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a (dyn StdError + 'static)> {
    if let Some(io) = error.downcast_ref::<io::Error>()
        && let Some(wrapped) = io.get_ref()
    {
        return Some(wrapped);
    }
    error.source()
}

fn is_tls(error: &(dyn StdError + 'static)) -> bool {
    error.is::<rustls::Error>()
}

/// The text says what happened and no more: host names and addresses are the operator's, not the client's.
impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.failure {
            SendFailure::Address => "the upstream address is not a valid http(s) URL",
            SendFailure::Dns => "the upstream's host name could not be resolved",
            SendFailure::Connect => "the upstream refused the connection or could not be reached",
            SendFailure::Tls => "the TLS handshake with the upstream failed",
            SendFailure::Reset => {
                "the connection to the upstream was closed before the answer was complete"
            }
            SendFailure::Timeout => "connecting to the upstream took too long",
            SendFailure::TooLarge => "the upstream's answer is too large",
            SendFailure::Request => "the request could not be sent",
        })
    }
}

impl StdError for SendError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source
            .as_ref()
            .map(|source| source.as_ref() as &(dyn StdError + 'static))
    }
}

impl From<SendError> for Error {
    fn from(error: SendError) -> Self {
        let kind = match error.failure {
            SendFailure::Dns | SendFailure::Connect | SendFailure::Tls | SendFailure::Reset => {
                ErrorKind::Unavailable
            }
            SendFailure::Timeout => ErrorKind::Timeout,
            SendFailure::TooLarge => ErrorKind::Garbled,
            SendFailure::Address | SendFailure::Request => ErrorKind::Internal,
        };
        Self::new(kind, error.to_string()).with_source(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_has_its_kind() {
        for (failure, kind) in [
            (SendFailure::Dns, ErrorKind::Unavailable),
            (SendFailure::Connect, ErrorKind::Unavailable),
            (SendFailure::Tls, ErrorKind::Unavailable),
            (SendFailure::Reset, ErrorKind::Unavailable),
            (SendFailure::Timeout, ErrorKind::Timeout),
            (SendFailure::TooLarge, ErrorKind::Garbled),
            (SendFailure::Address, ErrorKind::Internal),
        ] {
            assert_eq!(Error::from(SendError::new(failure)).kind(), kind);
        }
    }

    #[test]
    fn wrapped_tls_error_is_found() {
        let error = io::Error::other(rustls::Error::DecryptError);
        assert!(causes(&error).any(is_tls));
    }
}
