//! Stems: a Claude id without its date and version, under which an id that is not in the table finds its relatives.

/// Returns the stem of a Claude id: what is left without `-vN[:M]` and the date before it.
///
/// `None` for other families, whose names do not follow this pattern.
pub(super) fn claude_stem(id: &str) -> Option<&str> {
    if !id.starts_with("anthropic.claude") {
        return None;
    }
    Some(without_date(without_version(id)))
}

/// Removes `-v1` or `-v1:0` from the end.
fn without_version(id: &str) -> &str {
    let Some((head, version)) = id.rsplit_once("-v") else {
        return id;
    };
    let (major, minor) = version.split_once(':').unwrap_or((version, "0"));
    if is_digits(major) && is_digits(minor) {
        head
    } else {
        id
    }
}

/// Removes `-20250929` or `@20250929` from the end.
fn without_date(id: &str) -> &str {
    match id.rsplit_once(['-', '@']) {
        Some((head, date)) if date.len() == 8 && is_digits(date) => head,
        _ => id,
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn date_and_version_are_removed() {
        for (id, stem) in [
            (
                "anthropic.claude-sonnet-4-6-20250929-v1:0",
                Some("anthropic.claude-sonnet-4-6"),
            ),
            (
                "anthropic.claude-opus-4-6-v1",
                Some("anthropic.claude-opus-4-6"),
            ),
            (
                "anthropic.claude-haiku-4-5@20251001",
                Some("anthropic.claude-haiku-4-5"),
            ),
            (
                "anthropic.claude-3-5-sonnet-20241022-v2:0",
                Some("anthropic.claude-3-5-sonnet"),
            ),
            ("anthropic.claude-opus-5", Some("anthropic.claude-opus-5")),
            ("anthropic.claude-v2:1", Some("anthropic.claude")),
            (
                "anthropic.claude-very-new",
                Some("anthropic.claude-very-new"),
            ),
            ("amazon.nova-pro-v1:0", None),
        ] {
            assert_eq!(claude_stem(id), stem, "{id}");
        }
    }
}
