//! Plays `StartAsyncInvoke` and `GetAsyncInvoke`: a job is done as soon as it is asked for, and writes nothing.
//!
//! Source: service model of Bedrock runtime 2023-09-30, shapes `StartAsyncInvokeRequest` and `GetAsyncInvokeResponse`.

use serde_json::{Value, json};

use super::check::check;
use super::dispatch::{Answered, Call};
use super::embed;
use super::error::AwsError;
use super::json::Node;
use super::model_id::Model;
use super::operation::{Operation, follow, send};
use super::shape::{NON_EMPTY, Pattern, Shape, TEXT, list, optional, required, text};
use super::state::hash_of;

static S3_URI: Pattern = Pattern {
    text: "s3://[a-z0-9][\\.\\-a-z0-9]{1,61}[a-z0-9](/.*)?",
    matches: |text| {
        text.strip_prefix("s3://")
            .is_some_and(|rest| rest.len() >= 3)
    },
};

static START: Shape = Shape::Structure(&[
    required("modelId", &text(1, 256)),
    required("modelInput", &Shape::Object),
    required(
        "outputDataConfig",
        &Shape::Union(&[optional(
            "s3OutputDataConfig",
            &Shape::Structure(&[
                required(
                    "s3Uri",
                    &Shape::Text {
                        min: 1,
                        max: 1024,
                        pattern: Some(&S3_URI),
                    },
                ),
                optional("kmsKeyId", &NON_EMPTY),
                optional("bucketOwner", &TEXT),
            ]),
        )]),
    ),
    optional("clientRequestToken", &text(1, 256)),
    optional("tags", &list(&Shape::Object)),
]);

/// Checks a job, its model's input included; returns the model.
pub(super) fn check_start<'n>(body: &'n Node<'_>) -> Result<&'n str, AwsError> {
    check(body, &START)?;
    let model = body.text_of("modelId").unwrap_or_default();
    let input = body.get("modelInput").ok_or_else(|| {
        AwsError::validation("1 validation error detected: modelInput must not be null")
    })?;
    let parsed = Model::parse(model)?;
    let is_async = matches!(
        embed::Format::of(&parsed.base),
        Some(embed::Format::Nova | embed::Format::Marengo2 | embed::Format::Marengo3)
    );
    let Some(operation) = Operation::of(&parsed, b"{}").filter(|_| is_async) else {
        return Err(AwsError::validation(
            "The provided model doesn't support asynchronous invocation.",
        ));
    };
    operation.check(input)?;
    Ok(model)
}

/// Checks a job and starts it.
pub(super) async fn start(call: &Call<'_>) -> Answered {
    let body = Node::parse(call.body)?;
    let model = check_start(&body)?;
    let fault = follow(&body, call).await?;
    let id = hash_of(&(call.number, model)) & 0xffff_ffff_ffff;
    let arn = format!("arn:aws:bedrock:us-west-2:123456789012:async-invoke/{id:012x}");
    let output = body.get("outputDataConfig");
    let output = output.map_or(Value::Null, |output| json!(output));
    let model_arn = if model.starts_with("arn:") {
        model.to_owned()
    } else {
        format!("arn:aws:bedrock:us-west-2::foundation-model/{model}")
    };
    let job = json!({"invocationArn": arn, "modelArn": model_arn, "status": "Completed",
        "submitTime": "2025-01-01T00:00:00Z", "endTime": "2025-01-01T00:00:01Z", "outputDataConfig": output});
    call.shared.keep_job(&arn, job);
    send(&json!({ "invocationArn": arn }), fault.as_ref(), call)
}

/// Tells what became of a job.
pub(super) fn status(arn: &str, call: &Call<'_>) -> Answered {
    match call.shared.job(arn) {
        Some(job) => send(&job, None, call),
        None => Err(AwsError::new(
            "ValidationException",
            400,
            "The provided invocation ARN is invalid.",
        )
        .into()),
    }
}
