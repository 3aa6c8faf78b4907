//! The operator's file: read, checked, and turned into what the rest of the program uses.
//!
//! `config.yaml` is written in LiteLLM's words; [`Config`] is the same in ours: typed, complete, with every default
//! filled in.

mod advice;
mod check;
mod clientside;
mod defaults;
mod deployment;
mod environment;
mod expectation;
mod fallback;
mod finding;
mod fingerprint;
mod gateway_condition;
mod gateway_config;
mod gateway_tree;
mod health;
mod home;
mod include;
mod key_entries;
mod layers;
mod load;
mod locate;
mod names;
mod node;
mod origin;
mod params;
mod period;
mod policy;
mod provider;
mod raw;
mod reach;
mod read;
mod redis;
mod report;
mod resolve;
mod response_cache;
mod router_section;
mod routing;
mod routing_groups;
mod scalar;
mod schema;
mod secret;
mod shared_state;
mod variables;
mod virtual_key;
mod web_identity;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub use clientside::ClientsideParam;
pub use deployment::NamedPlace;
pub use environment::Environment;
pub use finding::{Finding, Findings, Severity, to_json};
pub use fingerprint::Fingerprints;
pub use gateway_config::parse_gateway_config;
pub use gateway_tree::{
    GatewayCache, GatewayCondition, GatewayConfig, GatewayMode, GatewayQuery, GatewayRetry,
    GatewayTest,
};
pub use health::{HealthParams, HealthSettings};
pub use layers::Overrides;
pub use load::{inspect, inspect_bytes, load, load_bytes, load_with};
pub(crate) use names::is_like;
pub use origin::Origin;
pub use reach::{IpRange, Reach};
pub use routing::{
    Affinity, AffinitySettings, ByClass, CooldownSettings, FallbackLists, FallbackRule,
    FallbackTarget, RetryBudgetConfig, RouterSettings, RoutingGroup, StrategyArgs, StrategyConfig,
    StrategyName, StreamRecovery, TagSettings,
};
pub use schema::schema;
pub use secret::Secret;
pub use shared_state::{CacheBackend, CacheConfig, CacheScope, RedisConfig};
pub use virtual_key::{Budget, KeyRouterSettings, RateLimits, VirtualKeyConfig, name_in_team};
pub use web_identity::WebIdentityToken;

use crate::canonical::RawJson;

/// A whole configuration, ready to be used.
#[derive(Clone, Default)]
pub struct Config {
    /// The entries of `model_list` that are for Bedrock, in the order of the file.
    pub deployments: Vec<DeploymentConfig>,
    /// `router_settings`.
    pub router: RouterSettings,
    /// `litellm_settings`.
    pub litellm: LitellmSettings,
    /// `general_settings`.
    pub general: GeneralSettings,
    /// `prompts`: named templates.
    pub prompts: Vec<PromptTemplate>,
    /// `virtual_keys`.
    pub virtual_keys: Vec<VirtualKeyConfig>,
    /// `gateway_configs`, by id.
    pub gateway_configs: BTreeMap<String, Arc<GatewayConfig>>,
    /// `credential_list`: the sets by name.
    pub credentials: BTreeMap<String, AwsParams>,
    /// `litellm_settings.cache`: the response cache, where it is on.
    pub cache: Option<CacheConfig>,
    /// The process environment with the file's `environment_variables` laid over it.
    pub environment: Environment,
    /// What is set beside `model_list`, by key, for comparing two configurations.
    pub settings: Fingerprints,
    /// SHA-256 (hex) over the files' contents.
    pub hash: String,
    /// The files that it was read from: the first one, then those that it includes.
    pub files: Vec<PathBuf>,
    /// What was found while reading; only warnings, since errors stop it.
    pub warnings: Vec<Finding>,
}

/// Members that are kept as JSON may hold secrets that nobody knows as such, so only what names the file is shown.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("files", &self.files)
            .field("hash", &self.hash)
            .field("deployments", &self.deployments.len())
            .finish_non_exhaustive()
    }
}

/// One entry of `prompts`.
#[derive(Debug, Clone, PartialEq)]
pub struct PromptTemplate {
    /// `prompt_id`.
    pub id: String,
    /// Its messages and parameters, as members of a request.
    pub members: serde_json::Map<String, serde_json::Value>,
}

/// One entry of `model_list`.
#[derive(Debug, Clone, Default)]
pub struct DeploymentConfig {
    /// The public name; entries with the same name form a model group.
    pub model_name: String,
    /// `litellm_params.model`, as written.
    pub model: String,
    /// `model_info.id`, if written.
    pub id: Option<String>,
    /// `litellm_params.model_id`: the id or ARN that replaces the model's id in the URL.
    pub model_id: Option<String>,
    /// Credentials, region and endpoint.
    pub aws: AwsParams,
    /// `litellm_credential_name`, already resolved into `aws`; kept for its name.
    pub credential_name: Option<String>,
    /// The place that the file names, where the simulator stands in for it: the deployment is the same one.
    pub named_place: Option<NamedPlace>,
    /// `api_base`.
    pub api_base: Option<String>,
    /// `timeout`, else `request_timeout`.
    pub timeout: Option<Duration>,
    /// `stream_timeout`.
    pub stream_timeout: Option<Duration>,
    /// `num_retries`.
    pub num_retries: Option<u32>,
    /// `timeout_by_service_tier`.
    pub tier_timeouts: BTreeMap<String, Duration>,
    /// `stream_timeout_by_service_tier`.
    pub tier_stream_timeouts: BTreeMap<String, Duration>,
    /// `tags`.
    pub tags: Vec<String>,
    /// `tag_regex`: patterns of `User-Agent: <value>`, each known to be valid.
    pub tag_regex: Vec<String>,
    /// `input_cost_per_token`, in US dollars; 0 is a price.
    pub input_cost_per_token: Option<f64>,
    /// `output_cost_per_token`, in US dollars; 0 is a price.
    pub output_cost_per_token: Option<f64>,
    /// `input_cost_per_image`, in US dollars; 0 is a price.
    pub input_cost_per_image: Option<f64>,
    /// `output_cost_per_image`, in US dollars; 0 is a price.
    pub output_cost_per_image: Option<f64>,
    /// `input_cost_per_query`, in US dollars; 0 is a price.
    pub input_cost_per_query: Option<f64>,
    /// `mock_response`: what is answered without a call.
    pub mock_response: Option<RawJson>,
    /// `rpm`, `tpm`, `weight`, `order`, `max_parallel_requests`, `cooldown_time`, …
    pub limits: DeploymentLimits,
    /// `drop_params`.
    pub drop_params: Option<bool>,
    /// `modify_params`.
    pub modify_params: Option<bool>,
    /// `additional_drop_params`.
    pub additional_drop_params: Vec<String>,
    /// `allowed_openai_params`.
    pub allowed_openai_params: Vec<String>,
    /// `configurable_clientside_auth_params`: the parameters that a client may set.
    pub clientside_params: Vec<ClientsideParam>,
    /// `extra_headers`.
    pub extra_headers: Vec<(String, String)>,
    /// `use_in_pass_through`: its identity serves what names no model of the file.
    pub use_in_pass_through: bool,
    /// `keepalive_seconds`: cadence of keep-alive comments in a stream.
    pub keepalive: Option<Duration>,
    /// `allow_client_keepalive_override`: a client may choose the cadence.
    pub allow_client_keepalive: bool,
    /// Every other key of `litellm_params`, as JSON: request defaults (`max_tokens`, `tools`, `guardrailConfig`,
    /// `user_continue_message`, …) and provider-specific parameters.
    pub params: Vec<(String, RawJson)>,
    /// `model_info`.
    pub info: ModelInfo,
    /// `blocked` (entry or `model_info`).
    pub blocked: bool,
    /// What the entry sets, by key, for comparing two configurations.
    pub fingerprints: Fingerprints,
    /// Where the entry is written.
    pub origin: Arc<Origin>,
}

/// Credentials, region and endpoint of a deployment, as written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct AwsParams {
    /// `aws_access_key_id`.
    pub access_key_id: Option<String>,
    /// `aws_secret_access_key`.
    pub secret_access_key: Option<Secret>,
    /// `aws_session_token`.
    pub session_token: Option<Secret>,
    /// `aws_region_name` (`region_name`).
    pub region: Option<String>,
    /// `aws_session_name`.
    pub session_name: Option<String>,
    /// `aws_profile_name`.
    pub profile: Option<String>,
    /// `aws_role_name`.
    pub role: Option<String>,
    /// `aws_web_identity_token`: a token, or `oidc/…` naming where it is.
    pub web_identity_token: Option<WebIdentityToken>,
    /// `aws_sts_endpoint`.
    pub sts_endpoint: Option<String>,
    /// `aws_external_id`; `Some("")` turns the environment's off.
    pub external_id: Option<String>,
    /// `aws_session_tags`: key and value, sorted by key.
    pub session_tags: Vec<(String, String)>,
    /// `aws_bedrock_runtime_endpoint`.
    pub runtime_endpoint: Option<String>,
    /// `api_key`: a Bedrock API key; `Some("")` turns the environment's off.
    pub api_key: Option<Secret>,
    /// `ssl_verify: false`, or the path of a CA bundle.
    pub ssl_verify: Option<String>,
}

/// What a deployment can take, and how it is preferred.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DeploymentLimits {
    /// Requests per minute.
    pub rpm: Option<u64>,
    /// Tokens per minute.
    pub tpm: Option<u64>,
    /// `max_parallel_requests`.
    pub parallel: Option<u32>,
    /// Share for `simple-shuffle`.
    pub weight: Option<f64>,
    /// Failover tier, lower first.
    pub order: Option<i64>,
    /// `itpm`: input tokens per minute.
    pub itpm: Option<u64>,
    /// `otpm`: output tokens per minute.
    pub otpm: Option<u64>,
    /// `max_queue_ms`.
    pub max_queue: Option<Duration>,
    /// `cooldown_time` (`model_info` wins); 0 turns cooldowns off.
    pub cooldown: Option<Duration>,
    /// `model_info.allowed_fails`.
    pub allowed_fails: Option<u32>,
    /// `model_info.allowed_fails_policy`.
    pub allowed_fails_policy: Option<ByClass>,
    /// `max_budget`, `budget_duration`.
    pub budget: Option<Budget>,
    /// `default_api_key_rpm_limit`, `default_api_key_tpm_limit`: of each key on this model.
    pub default_key: RateLimits,
}

/// `model_info` of an entry.
#[derive(Debug, Clone, Default)]
pub struct ModelInfo {
    /// `base_model`: the id that capabilities and prices are looked up by.
    pub base_model: Option<String>,
    /// `mode`.
    pub mode: Option<String>,
    /// `supports_*` switches: name and value.
    pub flags: BTreeMap<String, bool>,
    /// `max_input_tokens`.
    pub max_input_tokens: Option<u64>,
    /// `max_output_tokens` (`max_tokens`).
    pub max_output_tokens: Option<u64>,
    /// `access_groups`: names by which keys may be given this model.
    pub access_groups: Vec<String>,
    /// `team_id`: only this team's keys may use the deployment.
    pub team_id: Option<String>,
    /// `team_public_model_name`: what the team's keys call it by.
    pub team_public_name: Option<String>,
    /// What is different for its health checks.
    pub health: HealthParams,
    /// `enable_tag_filtering`.
    pub tag_filtering: Option<bool>,
    /// `allow_fail_open`.
    pub allow_fail_open: bool,
    /// `simulate`: how the simulator misbehaves for this deployment under `--simulate` (`throttle`, `cut=3`, …).
    pub simulate: Option<String>,
    /// Everything else, as JSON.
    pub extra: Vec<(String, RawJson)>,
}

/// Another name for a model group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alias {
    /// The name a client may use.
    pub name: String,
    /// The model group it stands for.
    pub target: String,
    /// Callable, but not listed.
    pub hidden: bool,
}

/// `litellm_settings`.
#[derive(Debug, Clone, PartialEq)]
pub struct LitellmSettings {
    /// `drop_params`.
    pub drop_params: bool,
    /// `modify_params`.
    pub modify_params: bool,
    /// `json_logs`.
    pub json_logs: bool,
    /// `model_alias_map`: global renames, applied before routing.
    pub model_alias_map: BTreeMap<String, String>,
    /// `expose_router_debug_in_errors`.
    pub expose_router_debug_in_errors: bool,
    /// `user_url_allowed_hosts`: `host[:port]`.
    pub user_url_allowed_hosts: Vec<String>,
    /// `bedrock_neutralize_orphaned_tool_blocks: false`.
    pub keep_orphaned_tool_blocks: bool,
    /// `bedrock_allowed_betas`: betas sent beyond the built-in table.
    pub allowed_betas: Vec<String>,
    /// `bedrock_request_metadata_fields`: what of the caller's identity is written into `requestMetadata`.
    pub request_metadata_fields: Vec<String>,
    /// `anthropic_sse_ping_interval_seconds`: silence of a stream in Anthropic's format before a `ping`.
    pub messages_ping: Option<Duration>,
    /// `forward_traceparent_to_llm_provider`.
    pub forward_traceparent: bool,
    /// `require_auth_for_metrics_endpoint`.
    pub metrics_are_public: bool,
    /// `max_budget`, `budget_duration`: of the whole gateway.
    pub budget: Option<Budget>,
    /// `budget_exceeded_status_code`.
    pub budget_status: Option<u16>,
    /// Whether `callbacks` (or `success_callback`) name `otel`.
    pub otel: bool,
    /// `ssl_verify: false`, or the path of a CA bundle; a deployment's own wins.
    pub ssl_verify: Option<String>,
}

impl Default for LitellmSettings {
    fn default() -> Self {
        Self {
            drop_params: false,
            modify_params: false,
            json_logs: false,
            model_alias_map: BTreeMap::new(),
            expose_router_debug_in_errors: false,
            user_url_allowed_hosts: Vec::new(),
            keep_orphaned_tool_blocks: false,
            allowed_betas: Vec::new(),
            request_metadata_fields: Vec::new(),
            messages_ping: Some(Duration::from_secs(15)),
            forward_traceparent: false,
            metrics_are_public: false,
            budget: None,
            budget_status: None,
            otel: false,
            ssl_verify: None,
        }
    }
}

/// `general_settings`.
#[derive(Debug, Clone, PartialEq)]
pub struct GeneralSettings {
    /// `master_key`, else `LITELLM_MASTER_KEY`.
    pub master_key: Option<Secret>,
    /// The name of the variable that `master_key` refers to, when that is not set.
    pub master_key_missing: Option<String>,
    /// `dangerously_permit_weak_or_unset_master_key`, in the file or the environment.
    pub permit_weak_master_key: bool,
    /// `litellm_key_header_name`.
    pub key_header_name: Option<String>,
    /// `public_routes`: paths that need no key.
    pub public_routes: Vec<String>,
    /// Who may reach the gateway at all, and at which paths.
    pub reach: Reach,
    /// `enforce_user_param`: a call must name its user.
    pub enforce_user: bool,
    /// `enforced_params`: members that every call must have.
    pub enforced_params: Vec<String>,
    /// `allow_client_side_credentials`.
    pub allow_client_side_credentials: bool,
    /// `look_up_inference_profiles`.
    pub look_up_inference_profiles: bool,
    /// `completion_model`: forces the model of chat requests.
    pub completion_model: Option<String>,
    /// `max_request_size_mb`, in bytes.
    pub max_request_bytes: usize,
    /// `header_read_timeout_seconds`.
    pub header_read_timeout: Duration,
    /// `drain_timeout_seconds`.
    pub drain_timeout: Duration,
    /// `unknown_model_status`: 400 or 404.
    pub unknown_model_status: u16,
    /// `models_owned_by`.
    pub models_owned_by: String,
    /// `include_call_id_in_error_body`.
    pub include_call_id_in_error_body: bool,
    /// `cancel_on_disconnect`.
    pub cancel_on_disconnect: bool,
    /// `always_include_stream_usage`.
    pub always_include_stream_usage: bool,
    /// `max_in_flight_requests_per_worker`.
    pub max_in_flight: Option<usize>,
    /// `max_queued_requests_per_worker`: calls that wait for admission.
    pub max_queued: usize,
    /// `admission_queue_timeout_seconds`: how long they wait.
    pub admission_queue_timeout: Duration,
    /// `global_max_parallel_requests`: calls at one time in all instances together.
    pub global_parallel: Option<u32>,
    /// `fail_closed_rate_limit_enforcement`: 503 where Redis cannot be asked about a limit.
    pub fail_closed: bool,
    /// `expose_fallback_errors_to_caller`.
    pub expose_fallback_errors: bool,
    /// `reject_clientside_metadata_tags`.
    pub reject_client_tags: bool,
    /// What `/bedrock` serves.
    pub pass_through: PassThroughSettings,
    /// CORS: `LITELLM_CORS_ORIGINS`, `*` by default.
    pub cors_origins: Vec<String>,
    /// `LITELLM_CORS_ALLOW_CREDENTIALS`.
    pub cors_allow_credentials: bool,
}

/// What `/bedrock` serves beside models.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PassThroughSettings {
    /// `disable_bedrock_agent_runtime_passthrough`: no agents, flows and knowledge bases.
    pub without_agents: bool,
    /// `disable_bedrock_control_plane_passthrough`: no control plane.
    pub without_control_plane: bool,
    /// `pass_through_request_timeout`: for an attempt that no deployment of the file serves.
    pub timeout: Duration,
}

impl Default for PassThroughSettings {
    fn default() -> Self {
        Self {
            without_agents: false,
            without_control_plane: false,
            timeout: Duration::from_mins(10),
        }
    }
}

impl Default for GeneralSettings {
    fn default() -> Self {
        Self {
            master_key: None,
            master_key_missing: None,
            permit_weak_master_key: false,
            key_header_name: None,
            public_routes: Vec::new(),
            reach: Reach::default(),
            enforce_user: false,
            enforced_params: Vec::new(),
            allow_client_side_credentials: false,
            look_up_inference_profiles: true,
            completion_model: None,
            max_request_bytes: 32 * 1024 * 1024,
            header_read_timeout: Duration::from_secs(10),
            drain_timeout: Duration::from_secs(60),
            unknown_model_status: 400,
            models_owned_by: "openai".to_owned(),
            include_call_id_in_error_body: false,
            cancel_on_disconnect: true,
            always_include_stream_usage: false,
            max_in_flight: None,
            max_queued: 0,
            admission_queue_timeout: Duration::from_secs(1),
            global_parallel: None,
            fail_closed: false,
            expose_fallback_errors: false,
            reject_client_tags: false,
            pass_through: PassThroughSettings::default(),
            cors_origins: vec!["*".to_owned()],
            cors_allow_credentials: false,
        }
    }
}

#[cfg(test)]
#[path = "docs_tests.rs"]
mod docs;

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "sections_tests.rs"]
mod sections;

#[cfg(test)]
#[path = "keys_tests.rs"]
mod keys;
