//! `cache_params`: options of the response cache.

use super::redis_keys::CONNECTION;
use super::{Key, Kind, Table, Unknown};
use Kind::{Any, Choice, Count, Flag, List, Number, Positive, Seconds, Secret, Text};

/// The mapping; where the Redis is, is said by the same keys as anywhere.
#[rustfmt::skip]
pub(in crate::config) const CACHE_PARAMS: Table = Table {
    name: "cache_params",
    keys: &[
        Key::used("type", Choice(&[
            "local", "redis", "disk", "s3", "gcs", "azure-blob", "redis-semantic", "valkey-semantic", "qdrant-semantic",
        ]), "where answers are kept: `redis` where a Redis is known, else `local`, this process; `disk`, `s3`, `gcs` and `azure-blob` are kept in memory; the semantic ones turn the cache off"),
        Key::used("ttl", Seconds, "how long an answer is kept; 600 in memory, for ever in Redis where nothing says it"),
        Key::used("default_in_memory_ttl", Seconds, "`ttl` of type `local`"),
        Key::used("default_in_redis_ttl", Seconds, "`ttl` of type `redis`"),
        Key::used("mode", Choice(&["default_on", "default_off"]), "`default_off`: only calls with `cache: {use-cache: true}` are cached"),
        Key::used("max_messages", Positive, "calls with more messages are not cached"),
        Key::used("supported_call_types", List(&Text), "what is cached: `completion`, `embedding`, `text_completion`, `rerank`, `responses`, `anthropic_messages`, …, or the same with an `a` before it"),
        Key::used("scope", Choice(&["global", "team", "key"]), "who shares an answer"),
        Key::used("max_size_mb", Positive, "what the answers in this process may take"),
        Key::inert("s3_bucket_name", Text, "of type `s3`"),
        Key::inert("s3_region_name", Text, "of type `s3`"),
        Key::inert("s3_endpoint_url", Text, "of type `s3`"),
        Key::inert("s3_path", Text, "of type `s3`"),
        Key::inert("s3_use_ssl", Flag, "of type `s3`"),
        Key::inert("s3_verify", Any, "of type `s3`"),
        Key::inert("s3_api_version", Text, "of type `s3`"),
        Key::inert("s3_aws_access_key_id", Secret, "of type `s3`"),
        Key::inert("s3_aws_secret_access_key", Secret, "of type `s3`"),
        Key::inert("s3_aws_session_token", Secret, "of type `s3`"),
        Key::inert("s3_config", Any, "of type `s3`"),
        Key::inert("gcs_bucket_name", Text, "of type `gcs`"),
        Key::inert("gcs_path", Text, "of type `gcs`"),
        Key::inert("gcs_path_service_account", Text, "of type `gcs`"),
        Key::inert("disk_cache_dir", Text, "of type `disk`"),
        Key::inert("similarity_threshold", Number, "of a semantic cache"),
        Key::inert("semantic_cache_scope", Text, "of a semantic cache"),
        Key::inert("semantic_cache_embedding_timeout", Seconds, "of a semantic cache"),
        Key::inert("redis_semantic_cache_embedding_model", Text, "of a semantic cache"),
        Key::inert("redis_semantic_cache_index_name", Text, "of a semantic cache"),
        Key::inert("valkey_semantic_cache_embedding_model", Text, "of a semantic cache"),
        Key::inert("valkey_semantic_cache_index_name", Text, "of a semantic cache"),
        Key::inert("qdrant_semantic_cache_embedding_model", Text, "of a semantic cache"),
        Key::inert("qdrant_semantic_cache_vector_size", Count, "of a semantic cache"),
        Key::inert("qdrant_api_base", Text, "of a semantic cache"),
        Key::inert("qdrant_api_key", Secret, "of a semantic cache"),
        Key::inert("qdrant_collection_name", Text, "of a semantic cache"),
        Key::inert("qdrant_quantization_config", Any, "of a semantic cache"),
    ],
    also: CONNECTION,
    unknown: Unknown::Warn,
};
