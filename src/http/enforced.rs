//! What the operator has every call say: who its user is, and other members of its body.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::config::GeneralSettings;
use crate::dialect::Front;
use crate::error::{Error, Result};
use crate::keys::Identity;

/// The members of a JSON object, unread.
type Members<'a> = HashMap<String, &'a RawValue>;

/// Checks that a body has what `enforce_user_param` and `enforced_params` ask for.
///
/// # Errors
///
/// 400 naming the first member that is missing.
pub(super) fn check(
    general: &GeneralSettings,
    identity: &Identity,
    front: Front,
    body: &[u8],
) -> Result<()> {
    let user = general.enforce_user.then(|| user_of(front)).flatten();
    let of_key = identity.key().map(|key| &key.config.enforced_params);
    let own = of_key.into_iter().flatten();
    let mut asked = user
        .into_iter()
        .chain(general.enforced_params.iter().map(String::as_str))
        .chain(own.map(String::as_str))
        .peekable();
    if asked.peek().is_none() {
        return Ok(());
    }
    let members: Members<'_> = serde_json::from_slice(body).unwrap_or_default();
    match asked.find(|path| !is_said(&members, path)) {
        None => Ok(()),
        Some(path) => {
            let message = format!("{path}: this gateway asks for it in every call");
            Err(Error::bad_request(path, message))
        }
    }
}

/// Where a format names the user; `None` where it has no place for that.
fn user_of(front: Front) -> Option<&'static str> {
    match front {
        Front::Chat(dialect) if dialect.call_type() == "anthropic_messages" => {
            Some("metadata.user_id")
        }
        Front::Chat(_) | Front::Embed(_) | Front::Image(_) => Some("user"),
        Front::Count | Front::InputTokens | Front::Rerank(_) => None,
    }
}

/// Says whether a member is there, and neither null nor blank. `metadata.team` is a member of a member; OpenAI's clients
/// may write such a one as text.
fn is_said(members: &Members<'_>, path: &str) -> bool {
    if let Some(value) = members.get(path) {
        return is_something(value);
    }
    let Some((first, rest)) = path.split_once('.') else {
        return false;
    };
    let Some(inner) = members.get(first) else {
        return false;
    };
    let text = String::deserialize(*inner);
    let inner = text.as_deref().unwrap_or(inner.get());
    serde_json::from_str(inner).is_ok_and(|inner: Members<'_>| is_said(&inner, rest))
}

fn is_something(value: &RawValue) -> bool {
    match String::deserialize(value) {
        Ok(text) => !text.trim().is_empty(),
        Err(_) => value.get() != "null",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(
        general: &GeneralSettings,
        front: Front,
        body: &str,
    ) -> std::result::Result<(), String> {
        let checked = check(general, &Identity::Anyone, front, body.as_bytes());
        checked.map_err(|error| error.param().unwrap_or_default().to_owned())
    }

    #[test]
    fn user_is_asked_for_where_a_format_has_a_place_for_one() {
        let general = GeneralSettings {
            enforce_user: true,
            ..GeneralSettings::default()
        };
        for front in [
            Front::CHAT,
            Front::COMPLETIONS,
            Front::EMBEDDINGS,
            Front::RESPONSES,
            Front::IMAGES,
        ] {
            for body in ["{}", r#"{"user": null}"#, r#"{"user": " "}"#] {
                assert_eq!(
                    asked(&general, front, body),
                    Err("user".to_owned()),
                    "{body}"
                );
            }
            assert_eq!(asked(&general, front, r#"{"user": "u"}"#), Ok(()));
        }
        let missing = Err("metadata.user_id".to_owned());
        assert_eq!(
            asked(&general, Front::MESSAGES, r#"{"user": "u"}"#),
            missing
        );
        let named = r#"{"metadata": {"user_id": "u"}}"#;
        assert_eq!(asked(&general, Front::MESSAGES, named), Ok(()));
        for front in [Front::RERANK, Front::Count, Front::InputTokens] {
            assert_eq!(asked(&general, front, "{}"), Ok(()));
        }
    }

    #[test]
    fn members_of_members_are_asked_for_by_their_path() {
        let general = GeneralSettings {
            enforced_params: vec!["seed".to_owned(), "metadata.team".to_owned()],
            ..GeneralSettings::default()
        };
        for (body, expected) in [
            (r#"{"metadata": {"team": "a"}}"#, Err("seed")),
            (r#"{"seed": 0}"#, Err("metadata.team")),
            (r#"{"seed": 0, "metadata": {}}"#, Err("metadata.team")),
            (r#"{"seed": 0, "metadata": 7}"#, Err("metadata.team")),
            (r#"{"seed": 0, "metadata": {"team": "a"}}"#, Ok(())),
            (r#"{"seed": 0, "metadata": "{\"team\": \"a\"}"}"#, Ok(())),
            (r#"{"seed": 0, "metadata.team": "a"}"#, Ok(())),
        ] {
            let expected = expected.map_err(str::to_owned);
            assert_eq!(asked(&general, Front::CHAT, body), expected, "{body}");
        }
    }
}
