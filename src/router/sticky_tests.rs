use proptest::prelude::*;

use super::*;
use crate::canonical::{CacheControl, Role};

fn prompts() -> Affinity {
    Affinity {
        prompt_caching: true,
        ..Affinity::default()
    }
}

fn conversation(texts: &[String], marked: &[usize]) -> ChatRequest {
    let message = |(place, text): (usize, &String)| Message {
        role: if place % 2 == 0 {
            Role::User
        } else {
            Role::Assistant
        },
        content: Content::Text(Text::new(text)),
        cache: marked.contains(&place).then(CacheControl::default),
        ..Message::default()
    };
    ChatRequest {
        messages: texts.iter().enumerate().map(message).collect(),
        ..ChatRequest::default()
    }
}

fn of(request: &ChatRequest) -> Sticky {
    Sticky::of(request, StickyCaller::default(), prompts(), 1)
}

fn texts(total: usize) -> Vec<String> {
    (0..total).map(|number| format!("turn {number}")).collect()
}

#[test]
fn nothing_is_worked_out_that_is_off_or_has_no_cache_point() {
    assert_eq!(of(&conversation(&texts(3), &[])), Sticky::default());
    let who = StickyCaller {
        caller: Some("key"),
        session: Some("s"),
    };
    let request = conversation(&texts(3), &[2]);
    let off = Sticky::of(&request, who, Affinity::default(), 1);
    assert_eq!(off, Sticky::default());
}

#[test]
fn conversation_that_went_on_finds_the_earlier_cache_point() {
    let before = of(&conversation(&texts(3), &[2]));
    assert_eq!(before.cache_points.len(), 1);
    let after = of(&conversation(&texts(5), &[4]));
    assert!(after.prompt_prefixes.contains(&before.cache_points[0]));
    // Further back than Bedrock looks.
    let much_later = of(&conversation(&texts(60), &[59]));
    assert!(!much_later.prompt_prefixes.contains(&before.cache_points[0]));
    assert!(much_later.prompt_prefixes.len() <= LOOK_BACK + POINTS + 1);
}

#[test]
fn cached_tools_are_a_prefix() {
    let mut request = conversation(&texts(1), &[]);
    let tool = serde_json::json!({"name": "a", "cache_control": {"type": "ephemeral"}});
    request.params.tools = vec![crate::canonical::Tool(
        crate::canonical::RawJson::from_value(&tool),
    )];
    assert_eq!(of(&request).cache_points.len(), 1);
}

proptest! {
    #[test]
    fn another_beginning_shares_no_prefix(change in 0..4_usize, texts in prop::collection::vec("[a-z]{1,8}", 4..8)) {
        let last = texts.len() - 1;
        let one = of(&conversation(&texts, &[last]));
        let mut changed = texts.clone();
        changed[change].push('!');
        let other = of(&conversation(&changed, &[last]));
        let shared = one.prompt_prefixes.iter().filter(|prefix| other.prompt_prefixes.contains(prefix)).count();
        prop_assert_eq!(shared, change);
        prop_assert!(one.prompt_prefixes.iter().all(|prefix| *prefix != 0));
    }
}
