//! Finds the key in a request's headers and checks it.
//!
//! Clients put their key in many places; the order in which they are looked at is LiteLLM's. Comparing takes the same
//! time whatever the key is: both sides are hashed first, so not even the length shows.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::GatewaySpend;
use super::virtual_key::{SharedLimits, VirtualKey};
use crate::config::{Config, RateLimits};
use crate::error::{Error, ErrorKind, Result};
use crate::limit::{Meters, Scope};

/// Where a key may be, in the order in which they are looked at; `authorization` stands for itself.
const KEY_HEADERS: [&str; 8] = [
    "x-litellm-api-key",
    "x-portkey-api-key",
    "x-obiguard-api-key",
    "authorization",
    "api-key",
    "x-api-key",
    "x-goog-api-key",
    "ocp-apim-subscription-key",
];

/// Where clients put a key that sign what they send.
const BESIDE_SIGNATURE: &str = "litellm_user_api_key";

/// Whom a call is from.
#[derive(Debug, Clone)]
pub enum Identity {
    /// The administrator, by the master key.
    Administrator,
    /// Anyone: no key is configured, or the path is public.
    Anyone,
    /// A client, by a virtual key.
    Key(Arc<VirtualKey>),
}

impl Identity {
    /// Returns the virtual key, if it is one.
    pub fn key(&self) -> Option<&Arc<VirtualKey>> {
        match self {
            Self::Key(key) => Some(key),
            Self::Administrator | Self::Anyone => None,
        }
    }

    /// Says whether it is the administrator.
    pub fn is_administrator(&self) -> bool {
        matches!(self, Self::Administrator)
    }
}

/// What a key is checked against; built once per snapshot.
#[derive(Debug, Clone)]
pub struct KeyPolicy {
    master: Option<[u8; 32]>,
    header: Option<http::HeaderName>,
    keys: HashMap<[u8; 32], Arc<VirtualKey>>,
    shared: SharedLimits,
    global: Option<Arc<Meters>>,
    spend: GatewaySpend,
}

impl KeyPolicy {
    /// Prepares the check that the configuration asks for; what keys used and spent under `previous` goes on.
    pub fn build(config: &Config, previous: Option<&Self>) -> Self {
        let general = &config.general;
        let shared = SharedLimits::build(config, previous.map(|previous| &previous.shared));
        let keys = config.virtual_keys.iter().map(|entry| {
            let before = previous.and_then(|previous| previous.keys.get(&entry.hash));
            let key = VirtualKey::build(entry.clone(), &shared, before.map(AsRef::as_ref));
            (entry.hash, Arc::new(key))
        });
        let global = general.global_parallel.map(|parallel| {
            let limits = RateLimits {
                parallel: Some(parallel),
                ..RateLimits::default()
            };
            let before = previous.and_then(|previous| previous.global.as_deref());
            Arc::new(Meters::of_holder(Scope::Global, "all", limits, before))
        });
        Self {
            master: general
                .master_key
                .as_ref()
                .map(|key| Sha256::digest(key.expose()).into()),
            header: general
                .key_header_name
                .as_ref()
                .and_then(|name| http::HeaderName::try_from(name.as_str()).ok()),
            keys: keys.collect(),
            shared,
            global,
            spend: GatewaySpend::of(
                config.litellm.budget,
                previous.map(|previous| &previous.spend),
            ),
        }
    }

    /// Says whether everyone may call: no key is configured. An operator who hands out virtual keys means them, with a
    /// master key or without.
    pub fn is_open(&self) -> bool {
        self.master.is_none() && self.keys.is_empty()
    }

    /// Returns the limit of the whole gateway (`global_max_parallel_requests`).
    pub fn global(&self) -> Option<&Arc<Meters>> {
        self.global.as_ref()
    }

    /// Returns what all calls together spent, and may spend (`litellm_settings.max_budget`).
    pub fn spend(&self) -> &GatewaySpend {
        &self.spend
    }

    /// Returns the virtual keys, in no order.
    pub fn virtual_keys(&self) -> impl Iterator<Item = &Arc<VirtualKey>> {
        self.keys.values()
    }

    /// Checks the key of a request.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unauthenticated`], also for a blocked key; its message never quotes the key.
    pub fn check(&self, headers: &HeaderMap) -> Result<Identity> {
        self.identify(|| presented_key(headers, self.header.as_ref()))
    }

    /// Checks the key of a request that is passed through to AWS. AWS's clients sign what they send, so the key may stand in
    /// a header beside the signature (`litellm_user_api_key`), which then says nothing; else it is the signature's access key
    /// id, or stands where every other request has it.
    ///
    /// # Errors
    ///
    /// As [`KeyPolicy::check`].
    pub fn check_passed_through(&self, headers: &HeaderMap) -> Result<Identity> {
        let custom = self.header.as_ref();
        let is_beside = custom.is_none_or(|name| !headers.contains_key(name));
        let beside = headers
            .get(BESIDE_SIGNATURE)
            .and_then(|value| value.to_str().ok())
            .map(strip_scheme)
            .filter(|key| is_beside && !key.is_empty());
        self.identify(|| match beside {
            Some(key) => Ok(Cow::Borrowed(key)),
            None => presented_key(headers, custom),
        })
    }

    /// Finds whose key it is that was presented.
    fn identify<'h>(&self, presented: impl FnOnce() -> Result<Cow<'h, str>>) -> Result<Identity> {
        if self.is_open() {
            return Ok(Identity::Anyone);
        }
        let key = presented()?;
        let digest: [u8; 32] = Sha256::digest(key.as_bytes()).into();
        if let Some(master) = &self.master
            && bool::from(digest.ct_eq(master))
        {
            return Ok(Identity::Administrator);
        }
        // What is looked up is a hash: how long that takes tells nothing of any key.
        if let Some(known) = self.keys.get(&digest) {
            if known.config.blocked {
                return Err(refused(
                    "Key is blocked. The operator of this gateway can allow it again.",
                ));
            }
            return Ok(Identity::Key(Arc::clone(known)));
        }
        Err(refused(if key.starts_with("sk-") {
            "Invalid proxy server token passed: the key is not known here."
        } else {
            "Invalid key: LiteLLM-style keys are expected to start with 'sk-', and this one is not the master key."
        }))
    }
}

/// Returns the key that came with a request.
///
/// # Errors
///
/// [`ErrorKind::Unauthenticated`] when there is none, or `Authorization` has no scheme.
pub fn presented_key<'a>(
    headers: &'a HeaderMap,
    custom: Option<&http::HeaderName>,
) -> Result<Cow<'a, str>> {
    if let Some(name) = custom {
        let value = headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or("");
        return match strip_scheme(value) {
            "" => Err(refused(&format!(
                "No api key passed in: expected it in the header {name}."
            ))),
            key => Ok(Cow::Borrowed(key)),
        };
    }
    for name in KEY_HEADERS {
        let Some(value) = headers.get(name).and_then(|value| value.to_str().ok()) else {
            continue;
        };
        if value.trim().is_empty() {
            continue;
        }
        if name == AUTHORIZATION.as_str() {
            return from_authorization(value.trim());
        }
        return Ok(Cow::Borrowed(strip_scheme(value)));
    }
    Err(refused("No api key passed in."))
}

fn from_authorization(value: &str) -> Result<Cow<'_, str>> {
    if value.starts_with("AWS4-HMAC-SHA256") {
        return from_sigv4(value);
    }
    let Some((scheme, key)) = value.split_once(' ') else {
        return Err(refused(
            "Malformed API Key passed in. Ensure Key has `Bearer ` prefix.",
        ));
    };
    if scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("basic") {
        return Ok(Cow::Borrowed(key.trim()));
    }
    Err(refused(
        "Malformed API Key passed in. Ensure Key has `Bearer ` prefix.",
    ))
}

/// An AWS client signs with the key as its access key id.
fn from_sigv4(value: &str) -> Result<Cow<'_, str>> {
    value
        .split_once("Credential=")
        .map(|(_, rest)| rest.strip_prefix("Bearer ").unwrap_or(rest))
        .and_then(|rest| rest.split(['/', ',']).next())
        .filter(|key| !key.is_empty())
        .map(Cow::Borrowed)
        .ok_or_else(|| refused("The AWS signature names no credential."))
}

fn strip_scheme(value: &str) -> &str {
    let value = value.trim();
    match value.get(..7) {
        Some(scheme) if scheme.eq_ignore_ascii_case("bearer ") => {
            value.get(7..).unwrap_or("").trim()
        }
        _ => value,
    }
}

fn refused(detail: &str) -> Error {
    Error::new(
        ErrorKind::Unauthenticated,
        format!("Authentication Error, {detail}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{GeneralSettings, Secret};

    fn built(general: GeneralSettings) -> KeyPolicy {
        let config = Config {
            general,
            ..Config::default()
        };
        KeyPolicy::build(&config, None)
    }

    fn policy(key: Option<&str>) -> KeyPolicy {
        built(GeneralSettings {
            master_key: key.map(Secret::new),
            ..GeneralSettings::default()
        })
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn every_header_form_is_accepted() {
        let policy = policy(Some("sk-master"));
        for pair in [
            ("authorization", "Bearer sk-master"),
            ("authorization", "bearer sk-master"),
            ("authorization", "Basic sk-master"),
            ("x-litellm-api-key", "Bearer sk-master"),
            ("x-litellm-api-key", "sk-master"),
            ("api-key", "sk-master"),
            ("x-api-key", "sk-master"),
            ("x-goog-api-key", "sk-master"),
            ("ocp-apim-subscription-key", "sk-master"),
            ("x-portkey-api-key", "sk-master"),
            ("x-obiguard-api-key", "sk-master"),
            (
                "authorization",
                "AWS4-HMAC-SHA256 Credential=sk-master/20260101/us-east-1/bedrock/aws4_request, SignedHeaders=host",
            ),
        ] {
            let identity = policy.check(&headers(&[pair])).unwrap();
            assert!(identity.is_administrator(), "{pair:?}");
        }
    }

    #[test]
    fn wrong_missing_and_bare_keys_are_refused_without_being_quoted() {
        let policy = policy(Some("sk-master"));
        for pairs in [
            &[][..],
            &[("authorization", "sk-master")],
            &[("authorization", "Bearer sk-wrong")],
            &[("authorization", "Bearer ")],
            &[("x-api-key", "nonsense")],
        ] {
            let error = policy.check(&headers(pairs)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unauthenticated);
            assert!(!error.message().contains("sk-wrong") && !error.message().contains("nonsense"));
        }
    }

    #[test]
    fn key_beside_a_signature_counts_where_requests_are_passed_through() {
        let signed = |key: &str| {
            format!(
                "AWS4-HMAC-SHA256 Credential={key}/20260101/us-east-1/bedrock/aws4_request, SignedHeaders=host, Signature=0"
            )
        };
        let open = policy(Some("sk-master"));
        for pairs in [
            &[
                ("litellm_user_api_key", "Bearer sk-master"),
                ("authorization", &signed("AKIAFAKE")),
            ][..],
            &[
                ("litellm_user_api_key", "sk-master"),
                ("authorization", "Bearer sk-wrong"),
            ],
            &[("authorization", &signed("sk-master"))],
            &[("authorization", "Bearer sk-master")],
            &[
                ("litellm_user_api_key", " "),
                ("authorization", "Bearer sk-master"),
            ],
        ] {
            let identity = open.check_passed_through(&headers(pairs)).unwrap();
            assert!(identity.is_administrator(), "{pairs:?}");
        }
        for pairs in [
            &[][..],
            &[
                ("litellm_user_api_key", "sk-wrong"),
                ("authorization", "Bearer sk-master"),
            ],
            &[("authorization", &signed("AKIAFAKE"))],
        ] {
            let error = open.check_passed_through(&headers(pairs)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unauthenticated, "{pairs:?}");
        }
        // Elsewhere it is no key at all.
        assert!(
            open.check(&headers(&[("litellm_user_api_key", "sk-master")]))
                .is_err()
        );
        let named = built(GeneralSettings {
            master_key: Some(Secret::new("sk-master")),
            key_header_name: Some("X-Team-Key".to_owned()),
            ..GeneralSettings::default()
        });
        for (team, beside, is_let_in) in [
            ("sk-master", "sk-wrong", true),
            ("sk-wrong", "sk-master", false),
        ] {
            let both = headers(&[("x-team-key", team), ("litellm_user_api_key", beside)]);
            assert_eq!(named.check_passed_through(&both).is_ok(), is_let_in);
        }
        assert!(
            named
                .check_passed_through(&headers(&[("litellm_user_api_key", "sk-master")]))
                .is_ok()
        );
    }

    #[test]
    fn litellm_header_wins_over_authorization() {
        let policy = policy(Some("sk-master"));
        let both = headers(&[
            ("authorization", "Bearer upstream"),
            ("x-litellm-api-key", "sk-master"),
        ]);
        assert!(policy.check(&both).is_ok());
    }

    #[test]
    fn no_master_key_lets_everyone_in() {
        let identity = policy(None).check(&HeaderMap::new()).unwrap();
        assert!(matches!(identity, Identity::Anyone));
    }

    #[test]
    fn custom_header_overrides_all_others() {
        let policy = built(GeneralSettings {
            master_key: Some(Secret::new("sk-master")),
            key_header_name: Some("X-Team-Key".to_owned()),
            ..GeneralSettings::default()
        });
        assert!(
            policy
                .check(&headers(&[("authorization", "Bearer sk-master")]))
                .is_err()
        );
        assert!(
            policy
                .check(&headers(&[("x-team-key", "Bearer sk-master")]))
                .is_ok()
        );
    }
}
