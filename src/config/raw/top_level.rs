//! The top level of the file.

use super::{
    CREDENTIAL, GENERAL_SETTINGS, Key, Kind, LITELLM_SETTINGS, ROUTER_SETTINGS, Table, Unknown,
    VIRTUAL_KEY,
};

#[rustfmt::skip]
const CALLBACK_SETTINGS: Table = Table {
    name: "callback_settings",
    keys: &[
        Key::used("otel", Kind::Keys(&OTEL), "options of the export of traces"),
    ],
    also: &[],
    unknown: Unknown::Keep,
};

#[rustfmt::skip]
const OTEL: Table = Table {
    name: "callback_settings.otel",
    keys: &[
        Key::later("message_logging", Kind::Flag, "prompts and answers in the traces; they are never there yet"),
    ],
    also: &[],
    unknown: Unknown::Warn,
};

/// The sections.
#[rustfmt::skip]
pub(in crate::config) const TOP_LEVEL: Table = Table {
    name: "",
    keys: &[
        Key::used("model_list", Kind::Entries, "the deployments; entries with one `model_name` form a model group"),
        Key::used("litellm_settings", Kind::Keys(&LITELLM_SETTINGS), "switches for all calls"),
        Key::used("router_settings", Kind::Keys(&ROUTER_SETTINGS), "how a deployment is chosen, and what happens when it fails"),
        Key::used("general_settings", Kind::Keys(&GENERAL_SETTINGS), "the server: keys, limits, health"),
        Key::used("environment_variables", Kind::Map, "variables that are set before `os.environ/` references are looked up; the process's own environment is not changed"),
        Key::used("include", Kind::List(&Kind::Text), "files that are merged into this one, relative to it"),
        Key::used("include_merge", Kind::Choice(&["replace", "deep"]), "what an included section does to one of the same name: `replace` it (LiteLLM), or be merged into it key by key"),
        Key::used("credential_list", Kind::List(&Kind::Keys(&CREDENTIAL)), "named sets of credentials, for `litellm_credential_name`"),
        Key::used("callback_settings", Kind::Keys(&CALLBACK_SETTINGS), "options of callbacks, by callback"),
        Key::used("prompts", Kind::List(&Kind::Map), "named prompt templates: `prompt_id`, `messages` with `{{name}}` in their text, and any request parameter; a request names one with `prompt_id` and fills it with `prompt_variables`"),
        Key::used("virtual_keys", Kind::List(&Kind::Keys(&VIRTUAL_KEY)), "keys for clients, with models, limits and budgets"),
        Key::used("gateway_configs", Kind::MapOf(&Kind::Map), "gateway configurations by id, for `x-portkey-config`"),
        Key::out("guardrails", "LiteLLM's guardrail integrations; Bedrock's own are `guardrailConfig` in `litellm_params`"),
        Key::out("policies", "guardrail policies"),
        Key::out("mcp_servers", "MCP gateway"),
        Key::out("vector_store_registry", "vector stores"),
        Key::out("search_tools", "search tools"),
        Key::out("files_settings", "files API"),
        Key::out("finetune_settings", "fine-tuning API"),
        Key::out("assistant_settings", "assistants API"),
        Key::out("default_vertex_config", "Vertex AI"),
        Key::out("agents", "agents"),
        Key::out("worker_registry", "workers"),
        Key::out("sandbox_tools", "sandbox tools"),
    ],
    also: &[],
    unknown: Unknown::Warn,
};
