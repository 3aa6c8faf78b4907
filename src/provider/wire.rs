//! What goes over the wire, before it is signed and after it is read.

use bytes::Bytes;
use http::HeaderMap;

/// A request to AWS, complete but for its credentials.
#[derive(Debug, Clone)]
pub struct WireRequest {
    /// The HTTP method.
    pub method: http::Method,
    /// The whole address, path already percent-encoded as it is to be sent and signed.
    pub url: String,
    /// Headers besides `host`, `content-type` and those that signing adds. Names are lower case.
    pub headers: Vec<(http::HeaderName, http::HeaderValue)>,
    /// The body: JSON.
    pub body: Bytes,
    /// The service that the signature is scoped to (`bedrock`).
    pub service: &'static str,
}

/// A whole answer of AWS with a success status.
#[derive(Debug, Clone)]
pub struct WireAnswer<'a> {
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// Its body.
    pub body: Bytes,
}

/// One event of a stream.
#[derive(Debug, Clone, Copy)]
pub struct WireEvent<'a> {
    /// `:event-type`.
    pub kind: &'a str,
    /// The payload: JSON; a slice of what was read, so that text can be shared instead of copied.
    pub payload: &'a Bytes,
}
