//! Whole calls over real sockets: a gateway in this process, and the simulator behind it. One file per behaviour.
#![expect(
    unreachable_pub,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test that cannot go on must fail at once, and nobody reads its documentation"
)]

mod agents;
mod cache_endpoints;
mod cached_ids;
mod cached_inputs;
mod clientside;
mod completions;
mod connections;
mod cuts;
mod edge_allowance;
mod edge_bounds;
mod edge_budgets;
mod edge_cache;
mod edge_cooldowns;
mod edge_endpoints;
mod edge_failures;
mod edge_fallbacks;
mod edge_flights;
mod edge_hangups;
mod edge_health;
mod edge_hedge;
mod edge_key_limits;
mod edge_keys;
mod edge_limits;
mod edge_names;
mod edge_partial;
mod edge_picks;
mod edge_refusals;
mod edge_requests;
mod edge_resume;
mod edge_retries;
mod edge_shared;
mod edge_shared_usage;
mod edge_streams;
mod edge_tag_budgets;
mod edge_tags;
mod edge_team_models;
mod edge_tiers;
mod endpoints;
mod evasions;
mod faults;
mod gaps;
mod headers;
mod invoke;
mod keepalive;
mod media;
mod metrics;
mod model_table;
mod models;
mod native_responses;
mod panics;
mod passthrough;
mod pieces;
mod portkey;
mod prompts;
mod properties;
mod reach;
mod reload;
mod responses;
mod routes;
mod scripted;
mod support;
mod throttling;
mod timeouts;
