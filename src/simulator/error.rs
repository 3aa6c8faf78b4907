//! AWS's errors as they appear on the wire: exception name, status, message.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use serde_json::{Map, Value};

use super::body::ReplyBody;

/// One AWS exception. The names and statuses are those of the Bedrock runtime API reference,
/// <https://docs.aws.amazon.com/bedrock/latest/APIReference/CommonErrors.html>.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct AwsError {
    pub(super) name: &'static str,
    pub(super) status: u16,
    pub(super) message: String,
    pub(super) retry_after: Option<u64>,
    /// Members of the body beside `message`, such as `originalStatusCode`.
    pub(super) details: Vec<(&'static str, Value)>,
}

impl AwsError {
    pub(super) fn new(name: &'static str, status: u16, message: impl Into<String>) -> Self {
        Self {
            name,
            status,
            message: message.into(),
            retry_after: None,
            details: Vec::new(),
        }
    }

    pub(super) fn validation(message: impl Into<String>) -> Self {
        Self::new("ValidationException", 400, message)
    }

    /// What Bedrock says when the model itself refused: the model's words behind a fixed opening.
    pub(super) fn from_model(message: impl AsRef<str>) -> Self {
        Self::validation(format!(
            "The model returned the following errors: {}",
            message.as_ref()
        ))
    }

    pub(super) fn unknown_operation(message: impl Into<String>) -> Self {
        Self::new("UnknownOperationException", 404, message)
    }

    /// Writes the error as Bedrock's JSON protocol does.
    pub(super) fn into_response(self, request_id: &HeaderValue) -> Response<ReplyBody> {
        let mut body = Map::new();
        body.insert("message".into(), self.message.into());
        for (name, value) in self.details {
            body.insert(name.into(), value);
        }
        let mut response = Response::new(ReplyBody::whole(Bytes::from(
            Value::Object(body).to_string(),
        )));
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        headers.insert("x-amzn-requestid", request_id.clone());
        // AWS appends where the exception is defined; clients must cut at the colon.
        let error_type = format!(
            "{}:http://internal.amazon.com/coral/com.amazon.bedrock/",
            self.name
        );
        if let Ok(value) = HeaderValue::from_str(&error_type) {
            headers.insert("x-amzn-errortype", value);
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
