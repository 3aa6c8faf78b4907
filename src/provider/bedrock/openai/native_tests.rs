use super::*;

#[test]
fn operators_may_write_any_part_of_the_address() {
    for endpoint in [
        "https://h",
        "https://h/openai/v1",
        "https://h/openai/v1/chat/completions",
        "https://h/openai/v1/responses",
    ] {
        assert_eq!(url(endpoint), "https://h/openai/v1/responses");
    }
}

#[test]
fn a_member_is_laid_into_an_object_or_taken_out_of_it() {
    let laid = |written, value: Option<Value>| {
        laid_in(written, "effort", value.as_ref()).map(Cow::into_owned)
    };
    let low = || Some(json!("low"));
    let as_was = r#"{ "effort":"low", "summary":"auto"}"#;
    assert_eq!(laid(Some(as_was), low()).as_deref(), Some(as_was));
    assert_eq!(laid(None, low()).as_deref(), Some(r#"{"effort":"low"}"#));
    assert_eq!(
        laid(Some(r#"{"summary":"auto"}"#), low()).as_deref(),
        Some(r#"{"summary":"auto","effort":"low"}"#)
    );
    assert_eq!(
        laid(Some(as_was), None).as_deref(),
        Some(r#"{"summary":"auto"}"#)
    );
    assert_eq!(laid(Some(r#"{"effort":"low"}"#), None), None);
    assert_eq!(laid(None, None), None);
}
