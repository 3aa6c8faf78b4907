//! `credential_list`.

use super::{CREDENTIAL_KEYS, Key, Kind, Table, Unknown};

/// One named set of credentials.
#[rustfmt::skip]
pub(in crate::config) const CREDENTIAL: Table = Table {
    name: "credential_list[]",
    keys: &[
        Key::used("credential_name", Kind::Text, "the name that `litellm_credential_name` gives").required(),
        Key::used("credential_values", Kind::Keys(&CREDENTIAL_KEYS), "values that fill what a deployment does not set itself").required(),
        Key::inert("credential_info", Kind::Map, "notes"),
    ],
    also: &[],
    unknown: Unknown::Warn,
};
