//! Signs with aws-sigv4 as its documentation shows, the whole derivation on each request.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{
        SignableBody, SignableRequest, SigningInstructions, SigningParams, SigningSettings, sign,
    },
    sign::v4,
};
use aws_smithy_runtime_api::client::identity::Identity;

use super::{BoxError, Failure};

pub(super) const CONTENT_TYPE: &str = "application/json";

pub(super) struct Signer {
    identity: Identity,
    region: &'static str,
}

impl Signer {
    pub(super) fn new(region: &'static str) -> Self {
        let credentials = Credentials::new("AKIDEXAMPLE", "wJalrXUtnFEMI", None, None, "floor");
        Self {
            identity: credentials.into(),
            region,
        }
    }

    /// Returns the headers to add to a POST of `body` to `url`.
    pub(super) fn sign(&self, url: &str, body: &[u8]) -> Result<SigningInstructions, Failure> {
        self.instructions(url, body).map_err(Failure::upstream)
    }

    fn instructions(&self, url: &str, body: &[u8]) -> Result<SigningInstructions, BoxError> {
        let params: SigningParams<'_> = v4::SigningParams::builder()
            .identity(&self.identity)
            .region(self.region)
            .name("bedrock")
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()?
            .into();
        let headers = [("content-type", CONTENT_TYPE)];
        let request =
            SignableRequest::new("POST", url, headers.into_iter(), SignableBody::Bytes(body))?;
        let (instructions, _signature) = sign(request, &params)?.into_parts();
        Ok(instructions)
    }
}
