//! `--simulate`: every deployment of any configuration, served by a Bedrock simulator in this process.
//!
//! Endpoints are pointed at the simulator, static keys are made known to it, and credentials that would need the outside
//! world are replaced by its own. Nothing outside the machine is contacted, except media that a client names.

use std::io;
use std::sync::Arc;

use crate::config::{AwsParams, Config, DeploymentConfig, Secret};
use crate::simulator::{ACCESS_KEY_ID, AccessKey, Options, SECRET_ACCESS_KEY, Simulator};
use crate::state::{AdmitKeys, Simulated};

/// Variables that would send a call, or a look-up of credentials, somewhere else.
const ENDPOINTS: [&str; 9] = [
    "AWS_BEDROCK_RUNTIME_ENDPOINT",
    "AWS_ENDPOINT_URL_BEDROCK_RUNTIME",
    "AWS_BEDROCK_AGENT_RUNTIME_ENDPOINT",
    "AWS_ENDPOINT_URL_BEDROCK_AGENT_RUNTIME",
    "AWS_ENDPOINT_URL_BEDROCK",
    "AWS_ENDPOINT_URL_BEDROCK_AGENT",
    "BEDROCK_MANTLE_API_BASE",
    "AWS_STS_ENDPOINT",
    "AWS_ENDPOINT_URL_STS",
];

/// Starts the simulator.
pub(super) async fn start() -> io::Result<(Arc<Simulator>, Simulated)> {
    let options = Options {
        accept_any_bearer: true,
        ..Options::default()
    };
    let simulator = Arc::new(Simulator::start(options).await?);
    let registry = Arc::clone(&simulator);
    let simulated = Simulated {
        endpoint: simulator.url(),
        credentials: own_keys(),
        admit: AdmitKeys(Arc::new(move |aws| {
            admit(aws, &registry);
        })),
    };
    Ok((simulator, simulated))
}

/// Points `config` at the simulator; returns what was replaced, as warnings.
pub(super) fn redirect(config: &mut Config, simulator: &Simulator) -> Vec<String> {
    let url = simulator.url();
    for name in ENDPOINTS {
        config.environment.set(name, url.clone());
    }
    config.litellm.ssl_verify = None;
    let mut replaced = Vec::new();
    for entry in &mut config.deployments {
        entry.named_place = Some(entry.place());
        point(entry, &url);
        if !keep_credentials(entry, simulator) {
            let name = format!("`{}`", entry.model_name);
            if !replaced.contains(&name) {
                replaced.push(name);
            }
        }
    }
    let mut warnings = Vec::new();
    if !replaced.is_empty() {
        warnings.push(format!(
            "model_list: the simulator's credentials are used where the configured ones cannot be resolved here: {}",
            replaced.join(", ")
        ));
    }
    warnings
}

/// Makes a key pair known to the simulator; says whether there was one.
fn admit(aws: &AwsParams, simulator: &Simulator) -> bool {
    let (Some(id), Some(secret)) = (&aws.access_key_id, &aws.secret_access_key) else {
        return false;
    };
    simulator.add_key(AccessKey {
        id: id.clone(),
        secret: secret.expose().to_owned(),
        session_token: aws
            .session_token
            .as_ref()
            .map(|token| token.expose().to_owned()),
        expired: false,
    });
    true
}

/// Points one deployment at the simulator, misbehaving as its `model_info.simulate` says.
fn point(entry: &mut DeploymentConfig, url: &str) {
    let base = match &entry.info.simulate {
        Some(fault) => format!("{url}/fault/{fault}"),
        None => url.to_owned(),
    };
    let posts_to_api_base = entry.model.contains("converse_like/");
    entry.api_base = if posts_to_api_base {
        Some(format!("{base}/converse-like"))
    } else {
        // The one override that `bedrock_mantle/` knows.
        (entry.model.contains("bedrock_mantle/")).then(|| base.clone())
    };
    entry.aws.runtime_endpoint = (!posts_to_api_base).then_some(base);
    entry.aws.sts_endpoint = None;
    entry.aws.ssl_verify = None;
}

/// Makes the deployment's own keys known to the simulator; otherwise gives it the simulator's and returns false.
fn keep_credentials(entry: &mut DeploymentConfig, simulator: &Simulator) -> bool {
    let aws = &entry.aws;
    if aws.api_key.as_ref().is_some_and(|key| !key.is_empty()) {
        return true;
    }
    if aws.role.is_none() && aws.profile.is_none() && admit(aws, simulator) {
        return true;
    }
    entry.aws = AwsParams {
        region: aws.region.clone(),
        runtime_endpoint: aws.runtime_endpoint.clone(),
        ..own_keys()
    };
    false
}

/// The simulator's keys; the empty API key turns one of the environment off.
fn own_keys() -> AwsParams {
    AwsParams {
        access_key_id: Some(ACCESS_KEY_ID.to_owned()),
        secret_access_key: Some(Secret::new(SECRET_ACCESS_KEY)),
        api_key: Some(Secret::new("")),
        ..AwsParams::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Environment, Overrides, load_bytes};

    #[tokio::test]
    async fn deployments_are_those_of_the_file_wherever_the_simulator_is() {
        let yaml = "model_list: [{model_name: a, litellm_params: {model: bedrock/us.amazon.nova-lite-v1:0, \
                    aws_bedrock_runtime_endpoint: 'https://vpce.example', aws_role_name: 'arn:aws:iam::1:role/r', \
                    aws_session_name: s}}]";
        let path = std::path::Path::new("config.yaml");
        let overrides = Overrides::default();
        let mut config =
            load_bytes(path, yaml.as_bytes(), Environment::default(), &overrides).unwrap();
        let place = config.deployments[0].place();
        assert_eq!(place.address, "https://vpce.example");
        let (simulator, simulated) = start().await.unwrap();
        redirect(&mut config, &simulator);
        let entry = &config.deployments[0];
        assert_eq!(entry.aws.runtime_endpoint, Some(simulated.endpoint));
        assert_eq!(entry.place(), place);
    }
}
