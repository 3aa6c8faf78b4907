//! `x-portkey-config`: a configuration as JSON, or the id of one of `gateway_configs`.

use std::sync::Arc;

use super::Received;
use super::headers::text;
use crate::config::{GatewayConfig, parse_gateway_config};
use crate::error::{Error, Result};

/// The headers that bring one.
pub(super) const HEADERS: [&str; 2] = ["x-portkey-config", "x-obiguard-config"];

/// A configuration, and who wrote it.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) config: Arc<GatewayConfig>,
    /// Whether it is one of the file's.
    pub(super) is_operators: bool,
    /// The header that brought it.
    pub(super) header: &'static str,
}

/// Finds the request's configuration, if it has one.
///
/// # Errors
///
/// What is wrong with it; an id that nobody knows.
pub(super) fn find(received: &Received<'_>) -> Result<Option<Found>> {
    let brought = HEADERS
        .iter()
        .find_map(|header| Some((*header, text(received.headers, header)?)));
    let Some((header, written)) = brought else {
        return Ok(None);
    };
    if !written.starts_with('{') {
        if let Some(known) = received.config.gateway_configs.get(written) {
            return Ok(Some(Found {
                config: Arc::clone(known),
                is_operators: true,
                header,
            }));
        }
        let message = "expected a JSON object, or the id of a configuration of `gateway_configs`: there is none of that id";
        return Err(invalid(header, message));
    }
    let config = parse_gateway_config(written).map_err(|problem| invalid(header, &problem))?;
    Ok(Some(Found {
        config: Arc::new(config),
        is_operators: false,
        header,
    }))
}

fn invalid(header: &str, problem: &str) -> Error {
    Error::bad_request(header, format!("Invalid config passed: {problem}"))
}
