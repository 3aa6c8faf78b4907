//! The ways to fail: their names in markers and prefixes, and the AWS errors and exceptions they stand for.
//!
//! When one of them strikes is `misbehave.rs`'s.

use serde_json::json;

use super::error::AwsError;

/// Ways to fail. The text of each is its name in markers and prefixes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FaultKind {
    Throttle,
    Error500,
    Error503,
    NotReady,
    Timeout408,
    ModelError,
    AccessDenied,
    Unauthorized,
    Missing,
    ModelRefusal,
    ContextWindow,
    Validation,
    Quota,
    ExpiredToken,
    Stall,
    StallMid,
    Cut,
    CutEnd,
    CutFirst,
    Corrupt,
    CorruptFirst,
    ExceptionFirst,
    ExceptionStart,
    ExceptionMid,
    NotJson,
    EmptyStream,
    Guardrail,
    Reset,
    Garbage,
}

pub(super) const NAMES: [(&str, FaultKind); 29] = [
    ("throttle", FaultKind::Throttle),
    ("error500", FaultKind::Error500),
    ("error503", FaultKind::Error503),
    ("not-ready", FaultKind::NotReady),
    ("timeout408", FaultKind::Timeout408),
    ("model-error", FaultKind::ModelError),
    ("access-denied", FaultKind::AccessDenied),
    ("unauthorized", FaultKind::Unauthorized),
    ("missing", FaultKind::Missing),
    ("model-refusal", FaultKind::ModelRefusal),
    ("context-window", FaultKind::ContextWindow),
    ("validation", FaultKind::Validation),
    ("quota", FaultKind::Quota),
    ("expired-token", FaultKind::ExpiredToken),
    ("stall", FaultKind::Stall),
    ("stall-mid", FaultKind::StallMid),
    ("cut", FaultKind::Cut),
    ("cut-end", FaultKind::CutEnd),
    ("cut-first", FaultKind::CutFirst),
    ("corrupt", FaultKind::Corrupt),
    ("corrupt-first", FaultKind::CorruptFirst),
    ("exception-first", FaultKind::ExceptionFirst),
    ("exception-start", FaultKind::ExceptionStart),
    ("exception-mid", FaultKind::ExceptionMid),
    ("not-json", FaultKind::NotJson),
    ("empty-stream", FaultKind::EmptyStream),
    ("guardrail", FaultKind::Guardrail),
    ("reset", FaultKind::Reset),
    ("garbage", FaultKind::Garbage),
];

const UNEXPECTED: &str =
    "The system encountered an unexpected error during processing. Try your request again.";

/// The faults that are plain HTTP errors.
const ERRORS: [(FaultKind, &str, u16, &str); 14] = [
    (
        FaultKind::Throttle,
        "ThrottlingException",
        429,
        "Too many requests, please wait before trying again.",
    ),
    (
        FaultKind::Error500,
        "InternalServerException",
        500,
        UNEXPECTED,
    ),
    (
        FaultKind::Error503,
        "ServiceUnavailableException",
        503,
        "Bedrock is unable to process your request.",
    ),
    (
        FaultKind::NotReady,
        "ModelNotReadyException",
        429,
        "Model is not ready for inference. Wait and try your request again.",
    ),
    (
        FaultKind::Timeout408,
        "ModelTimeoutException",
        408,
        "Model has timed out in processing the request. Try your request again.",
    ),
    (
        FaultKind::ModelError,
        "ModelErrorException",
        424,
        UNEXPECTED,
    ),
    (
        FaultKind::AccessDenied,
        "AccessDeniedException",
        403,
        "You don't have access to the model with the specified model ID.",
    ),
    (
        FaultKind::Unauthorized,
        "UnauthorizedException",
        401,
        "The credentials are not accepted.",
    ),
    (
        FaultKind::Missing,
        "ResourceNotFoundException",
        404,
        "The specified model was not found.",
    ),
    (
        FaultKind::ModelRefusal,
        "ModelErrorException",
        424,
        "The model could not process this input.",
    ),
    (
        FaultKind::ContextWindow,
        "ValidationException",
        400,
        "Input is too long for requested model.",
    ),
    (
        FaultKind::Validation,
        "ValidationException",
        400,
        "Malformed input request, please reformat your input and try again.",
    ),
    (
        FaultKind::Quota,
        "ServiceQuotaExceededException",
        400,
        "Your request exceeds the service quota for your account.",
    ),
    (
        FaultKind::ExpiredToken,
        "ExpiredTokenException",
        403,
        "The security token included in the request is expired",
    ),
];

/// Exceptions that a stream can carry, with the status each stands for.
/// Source: `ConverseStreamOutput` in the Bedrock runtime service model.
const STREAM_EXCEPTIONS: [(&str, &str, u16, &str); 5] = [
    (
        "throttlingException",
        "ThrottlingException",
        429,
        "Too many requests, please wait before trying again.",
    ),
    (
        "modelStreamErrorException",
        "ModelStreamErrorException",
        424,
        "The model encountered an error while streaming its answer. Try your request again.",
    ),
    (
        "internalServerException",
        "InternalServerException",
        500,
        UNEXPECTED,
    ),
    (
        "serviceUnavailableException",
        "ServiceUnavailableException",
        503,
        "Bedrock is unable to process your request.",
    ),
    (
        "validationException",
        "ValidationException",
        400,
        "The model refused to go on with this request.",
    ),
];

impl FaultKind {
    pub(super) fn named(name: &str) -> Option<Self> {
        NAMES
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, kind)| *kind)
    }

    /// Returns the plain HTTP error of those faults that are one.
    pub(super) fn error(self) -> Option<AwsError> {
        let (_, name, status, message) = ERRORS.iter().find(|(kind, ..)| *kind == self)?;
        let mut error = AwsError::new(name, *status, *message);
        let original = match self {
            FaultKind::ModelError => Some(500),
            FaultKind::ModelRefusal => Some(400),
            _ => None,
        };
        if let Some(original) = original {
            error.details = vec![
                ("originalStatusCode", json!(original)),
                ("resourceName", json!("simulated-model")),
            ];
        }
        Some(error)
    }

    /// Returns the exception a stream carries: its type in a frame, and the same as a plain error. `wanted` names
    /// another type than the usual one of this fault.
    pub(super) fn exception(self, wanted: Option<&str>) -> (String, AwsError) {
        let usual = match self {
            FaultKind::ExceptionMid => "modelStreamErrorException",
            _ => "throttlingException",
        };
        let wanted = wanted.unwrap_or(usual);
        let known = STREAM_EXCEPTIONS
            .iter()
            .find(|(name, ..)| name.eq_ignore_ascii_case(wanted));
        match known {
            Some((name, error, status, message)) => {
                ((*name).to_owned(), AwsError::new(error, *status, *message))
            }
            // A type that clients do not know yet.
            None => (
                wanted.to_owned(),
                AwsError::new("UnknownException", 500, "A simulated exception."),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_has_one_name() {
        for (index, (name, kind)) in NAMES.iter().enumerate() {
            assert_eq!(FaultKind::named(name), Some(*kind));
            assert!(
                NAMES.iter().skip(index + 1).all(|(_, other)| other != kind),
                "{name}"
            );
        }
    }
}
