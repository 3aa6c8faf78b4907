//! Profiles of AWS's shared files: static keys, `credential_process` (and so IAM Roles Anywhere), SSO, `source_profile`.
//!
//! aws-config reads them. It is told which files and which profile from *our* environment, and what `credential_source =
//! Environment` means; what it still takes from the process itself is the home directory of the SSO token cache, and the
//! variables that a `credential_process` inherits. The files are read anew with every fetch, so an edited one is noticed.

use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_credential_types::Credentials as AwsCredentials;
use aws_credential_types::provider::ProvideCredentials as _;
use aws_runtime::env_config::file::{EnvConfigFileKind, EnvConfigFiles};
use aws_types::region::Region;

use super::Credentials;
use super::failures::from_sdk;
use super::identity::Profile;
use crate::error::Error;

/// Reads a profile; `None` if there is no such profile, or it has no credentials.
///
/// # Errors
///
/// 401 if the profile is there but does not work, 503 if whom it names is away.
pub(super) async fn read(profile: &Profile) -> Result<Option<Credentials>, Error> {
    let Some(files) = files(profile).await else {
        return Ok(None);
    };
    let region = Region::new(profile.region.clone());
    let mut builder = ProfileFileCredentialsProvider::builder()
        .configure(&ProviderConfig::without_region().with_region(Some(region)))
        .profile_name(&profile.name)
        .profile_files(files);
    if let Some(pair) = &profile.environment_pair {
        let token = pair
            .session_token
            .as_ref()
            .map(|token| token.expose().to_owned());
        let pair = AwsCredentials::new(
            pair.access_key_id.as_str(),
            pair.secret.expose(),
            token,
            None,
            "environment",
        );
        builder = builder.with_custom_provider("Environment", pair);
    }
    match builder.build().provide_credentials().await {
        Ok(credentials) => Ok(Some(credentials.into())),
        Err(error) => from_sdk(&format!("profile `{}`", profile.name), error),
    }
}

/// Reads the files; `None` if there are none.
async fn files(profile: &Profile) -> Option<EnvConfigFiles> {
    let mut builder = EnvConfigFiles::builder();
    let mut found = false;
    for (kind, path) in [
        (EnvConfigFileKind::Config, &profile.config_file),
        (EnvConfigFileKind::Credentials, &profile.credentials_file),
    ] {
        let Some(path) = path else { continue };
        match tokio::fs::read_to_string(path).await {
            Ok(contents) => {
                builder = builder.with_contents(kind, contents);
                found = true;
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "cannot read a shared AWS file");
            }
        }
    }
    // An empty set makes the builder panic.
    found.then(|| builder.build())
}
