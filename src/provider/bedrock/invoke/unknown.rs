//! Models of which nothing tells whose format `InvokeModel` would want.

use http::StatusCode;

use crate::canonical::{Chat, ChatRequest};
use crate::error::{Error, ErrorKind};
use crate::provider::{Exchange, Target, TransformError, Transformer};

/// Refuses every request, in LiteLLM's words.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Unknown;

impl Transformer<Chat> for Unknown {
    fn encode(
        &self,
        _request: &ChatRequest,
        target: &Target,
    ) -> Result<Exchange<Chat>, TransformError> {
        let model = &target.model.base;
        let message = format!(
            "Unknown provider=None, model={model}: nothing tells which format InvokeModel wants. Put the model's family in \
             front of its id (anthropic/, llama/, deepseek_r1/, qwen2/, qwen3/, openai/, moonshot/, …), state \
             `model_info.base_model`, or ask for it by `converse/`."
        );
        let error = Error::new(ErrorKind::UnknownModel, message);
        Err(error.with_status(StatusCode::NOT_FOUND).into())
    }
}
