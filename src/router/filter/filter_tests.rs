use std::collections::BTreeMap;
use std::time::Duration;

use super::super::test_group::{Stage, entries};
use super::super::{Sticky, StickyCaller};
use super::*;
use crate::canonical::{
    CacheControl, ChatRequest, Content, Message, Part, PartKind, Request, Text,
};
use crate::catalog::{Flag, Size};
use crate::config::{Affinity, DeploymentConfig, TagSettings};

fn stage(total: usize, change: impl Fn(usize, &mut DeploymentConfig)) -> Stage {
    Stage::of(entries(total, change), RouterSettings::default())
}

fn with(
    settings: RouterSettings,
    total: usize,
    change: impl Fn(usize, &mut DeploymentConfig),
) -> Stage {
    Stage::of(entries(total, change), settings)
}

fn none() -> History<'static> {
    History::default()
}

#[test]
fn access_groups_keep_their_deployments_and_an_empty_rest_is_a_400() {
    let stage = stage(2, |place, entry| {
        entry.info.access_groups = vec![["beta", "prod"][place].to_owned()];
    });
    let only = |group: &str| Asked {
        access_groups: Some(vec![group.to_owned()]),
        ..Asked::default()
    };
    assert_eq!(stage.ids(&only("prod"), none()), ["1"]);
    assert_eq!(stage.ids(&Asked::default(), none()), ["0", "1"]);
    let error = stage.error(&only("other"), none());
    assert_eq!(
        (error.status().as_u16(), error.kind()),
        (400, ErrorKind::BadRequest)
    );
}

#[test]
fn deployments_of_other_teams_are_left_out() {
    let stage = stage(3, |place, entry| {
        entry.info.team_id = [None, Some("a"), Some("b")][place].map(str::to_owned);
    });
    let of = |team: Option<&str>| Asked {
        team: team.map(str::to_owned),
        ..Asked::default()
    };
    assert_eq!(stage.ids(&of(None), none()), ["0"]);
    assert_eq!(stage.ids(&of(Some("a")), none()), ["0", "1"]);
}

#[test]
fn paused_deployments_are_left_out_and_a_paused_group_is_a_403() {
    let one = stage(2, |place, entry| entry.blocked = place == 0);
    assert_eq!(one.ids(&Asked::default(), none()), ["1"]);
    let all = stage(2, |_, entry| entry.blocked = true);
    let error = all.error(&Asked::default(), none());
    assert_eq!(
        (error.status().as_u16(), error.message()),
        (403, "Model is blocked")
    );
    assert_eq!(all.group.ready_total(all.now()), 0);
    assert_eq!(one.group.ready_total(one.now()), 1);
}

#[test]
fn web_search_goes_where_it_is_not_ruled_out() {
    let stage = stage(2, |place, entry| {
        if place == 0 {
            let flag = "supports_web_search".to_owned();
            entry.info.flags = BTreeMap::from([(flag, false)]);
        }
    });
    let asked = Asked {
        needs: vec![Flag::WebSearch],
        ..Asked::default()
    };
    assert_eq!(stage.ids(&asked, none()), ["1"]);
    assert_eq!(stage.ids(&Asked::default(), none()), ["0", "1"]);
}

mod tag_routing {
    use super::*;

    fn stage(match_any: bool, tags: &'static [&'static [&'static str]]) -> Stage {
        let settings = RouterSettings {
            tags: TagSettings {
                enabled: true,
                match_any,
                prefix: "route:".to_owned(),
            },
            ..RouterSettings::default()
        };
        with(settings, tags.len(), |place, entry| {
            entry.tags = tags[place].iter().map(|tag| (*tag).to_owned()).collect();
        })
    }

    fn asked(tags: &[&str]) -> Asked {
        Asked {
            tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
            ..Asked::default()
        }
    }

    const TIERS: &[&[&str]] = &[&["free"], &["paid", "fast"], &["default"], &[]];

    #[test]
    fn plain_tags_choose_and_unknown_ones_get_the_default() {
        let stage = stage(true, TIERS);
        for (tags, ids) in [
            (&["free"][..], &["0"][..]),
            (&["free", "fast"], &["0", "1"]),
            (&["route:paid"], &["1"]),
            (&["nobody-has-this"], &["2"]),
            (&[], &["2"]),
            (&["!paid"], &["2"]),
            (&["&paid"], &["1"]),
            (&["&paid", "!slow"], &["1"]),
            (&["free", "paid", "!fast"], &["0"]),
        ] {
            assert_eq!(stage.ids(&asked(tags), none()), ids, "{tags:?}");
        }
    }

    #[test]
    fn what_no_tag_allows_is_a_400_that_falls_back_nowhere() {
        let stage = stage(true, TIERS);
        for tags in [&["!default"][..], &["&gone"], &["paid", "!fast"]] {
            let error = stage.error(&asked(tags), none());
            assert_eq!(error.status().as_u16(), 400, "{tags:?}");
            assert_eq!(error.error_type(), "invalid_request_error");
            assert!(error.is_final());
            assert!(error.message().contains("due to tags configuration"));
        }
    }

    #[test]
    fn known_tag_whose_deployment_cannot_serve_is_an_error_not_the_default() {
        let settings = RouterSettings {
            tags: TagSettings {
                enabled: true,
                ..TagSettings::default()
            },
            ..RouterSettings::default()
        };
        let stage = with(settings, 2, |place, entry| {
            entry.tags = vec![["paid", "default"][place].to_owned()];
            entry.blocked = place == 0;
        });
        assert!(stage.error(&asked(&["paid"]), none()).is_final());
        assert_eq!(stage.ids(&asked(&["other"]), none()), ["1"]);
    }

    #[test]
    fn without_match_any_all_tags_must_be_carried() {
        let stage = stage(false, TIERS);
        assert_eq!(stage.ids(&asked(&["paid", "fast"]), none()), ["1"]);
        assert!(stage.error(&asked(&["paid", "free"]), none()).is_final());
    }

    #[test]
    fn no_default_means_all_for_no_tags_and_an_error_for_unknown_ones() {
        let stage = stage(true, &[&["a"], &["b"]]);
        assert_eq!(stage.ids(&asked(&[]), none()), ["0", "1"]);
        assert_eq!(stage.ids(&asked(&["!a"]), none()), ["1"]);
        assert!(stage.error(&asked(&["c"]), none()).is_final());
    }

    #[test]
    fn user_agent_is_the_second_chance_except_of_tagged_ones_under_strict_matching() {
        for (match_any, ids) in [(true, &["0", "1"][..]), (false, &["0"])] {
            let settings = RouterSettings {
                tags: TagSettings {
                    enabled: true,
                    match_any,
                    prefix: String::new(),
                },
                ..RouterSettings::default()
            };
            let stage = with(settings, 3, |place, entry| {
                if place < 2 {
                    entry.tag_regex = vec!["^User-Agent: claude-code/".to_owned()];
                }
                entry.tags = [&[][..], &["x"], &["default"]][place]
                    .iter()
                    .map(|tag: &&str| (*tag).to_owned())
                    .collect();
            });
            let by = |agent: &str| Asked {
                user_agent: Some(agent.to_owned()),
                ..Asked::default()
            };
            assert_eq!(stage.ids(&by("claude-code/2.0"), none()), ids);
            assert_eq!(stage.ids(&by("curl/8"), none()), ["2"]);
        }
    }

    #[test]
    fn it_is_off_unless_the_router_a_deployment_or_the_key_turns_it_on() {
        let tags = asked(&["a"]);
        let tagged = |place: usize, entry: &mut DeploymentConfig| {
            entry.tags = vec![["a", "b"][place].to_owned()];
        };
        let off = super::stage(2, tagged);
        assert_eq!(off.ids(&tags, none()), ["0", "1"]);
        let by_key = Asked {
            tag_filtering: true,
            ..tags.clone()
        };
        assert_eq!(off.ids(&by_key, none()), ["0"]);
        let by_deployment = super::stage(2, |place, entry| {
            tagged(place, entry);
            entry.info.tag_filtering = (place == 1).then_some(true);
        });
        assert_eq!(by_deployment.ids(&tags, none()), ["0"]);
    }

    #[test]
    fn fail_open_goes_to_the_default_pool() {
        let settings = RouterSettings {
            tags: TagSettings {
                enabled: true,
                ..TagSettings::default()
            },
            ..RouterSettings::default()
        };
        let stage = with(settings, 2, |place, entry| {
            entry.tags = vec![["default", "x"][place].to_owned()];
            entry.info.allow_fail_open = true;
        });
        assert_eq!(stage.ids(&asked(&["!default"]), none()), ["0"]);
    }
}

mod pre_call_checks {
    use super::*;

    fn checked(total: usize, change: impl Fn(usize, &mut DeploymentConfig)) -> Stage {
        let settings = RouterSettings {
            pre_call_checks: true,
            ..RouterSettings::default()
        };
        with(settings, total, change)
    }

    fn said(words: usize) -> ChatRequest {
        ChatRequest {
            messages: vec![Message {
                content: Content::Text(Text::new(&"word ".repeat(words))),
                ..Message::default()
            }],
            ..ChatRequest::default()
        }
    }

    fn measured(stage: &Stage, request: &ChatRequest) -> Asked {
        let request = &Request::Chat(request.clone());
        let mut asked = Asked::of(request);
        asked.measure(request, &stage.group, &stage.settings);
        asked
    }

    #[test]
    fn conversations_go_where_they_fit() {
        let window = |place: usize, entry: &mut DeploymentConfig| {
            entry.info.max_input_tokens = Some([100, 10_000][place]);
        };
        let stage = checked(2, window);
        assert_eq!(stage.ids(&measured(&stage, &said(10)), none()), ["0", "1"]);
        assert_eq!(stage.ids(&measured(&stage, &said(1_000)), none()), ["1"]);
        let error = stage.error(&measured(&stage, &said(100_000)), none());
        assert_eq!(error.kind(), ErrorKind::ContextWindow);
        // Off, nothing is counted and nothing is checked.
        let off = super::stage(2, window);
        let asked = measured(&off, &said(100_000));
        assert_eq!(asked.size, None::<Size>);
        assert_eq!(off.ids(&asked, none()), ["0", "1"]);
    }

    #[test]
    fn params_and_capabilities_are_each_told_apart() {
        let flags = |name: &str| BTreeMap::from([(name.to_owned(), false)]);
        let stage = checked(2, |place, entry| {
            entry.info.flags = flags(["supports_vision", "supports_response_schema"][place]);
        });
        let needs = |flags: &[Flag]| Asked {
            needs: flags.to_vec(),
            ..Asked::default()
        };
        assert_eq!(stage.ids(&needs(&[Flag::Vision]), none()), ["1"]);
        assert_eq!(stage.ids(&needs(&[Flag::ResponseSchema]), none()), ["0"]);
        let all = checked(1, |_, entry| {
            entry.info.flags = flags("supports_response_schema");
        });
        let error = all.error(&needs(&[Flag::ResponseSchema]), none());
        assert_eq!(error.param(), Some("response_format"));
        let dropped = checked(1, |_, entry| {
            entry.info.flags = flags("supports_response_schema");
            entry.drop_params = Some(true);
        });
        assert!(
            dropped
                .pick(&needs(&[Flag::ResponseSchema]), none())
                .is_ok()
        );
    }
}

#[test]
fn a_region_holds_without_pre_call_checks_and_by_id() {
    let entry = |place: usize, entry: &mut DeploymentConfig| {
        entry.aws.region = Some(["us-east-1", "eu-west-1", "ap-south-1"][place].to_owned());
    };
    let mut stage = stage(3, entry);
    let region = |region: &str| Asked {
        region: Some(region.to_owned()),
        ..Asked::default()
    };
    assert_eq!(stage.ids(&region("eu"), none()), ["1"]);
    assert_eq!(stage.ids(&region("us"), none()), ["0"]);
    let error = stage.error(&region("ca"), none());
    assert_eq!(error.kind(), ErrorKind::BadRequest);
    assert!(error.message().contains("allowed region"));
    let group = Arc::get_mut(&mut stage.group).unwrap();
    group.called_by_id = true;
    group.deployments.truncate(1);
    assert!(stage.pick(&region("us"), none()).is_ok());
    assert!(stage.pick(&region("eu"), none()).is_err());
}

#[test]
fn lowest_order_is_kept_and_what_has_none_is_left_out() {
    let ordered = stage(4, |place, entry| {
        entry.limits.order = [Some(2), Some(1), None, Some(1)][place];
        entry.blocked = place == 3;
    });
    let asked = Asked::default();
    assert_eq!(ordered.ids(&asked, none()), ["1"]);
    assert_eq!(ordered.group.tiers(), [1, 2]);
    let pinned = History {
        tier: Some(2),
        ..none()
    };
    assert_eq!(ordered.ids(&asked, pinned), ["0"]);
    let gone = History {
        tier: Some(9),
        ..none()
    };
    assert_eq!(ordered.error(&asked, gone).kind(), ErrorKind::NoDeployment);
    // When the lowest tier cannot serve, the next one does.
    let paused = stage(2, |place, entry| {
        entry.limits.order = Some([1, 2][place]);
        entry.blocked = place == 0;
    });
    assert_eq!(paused.ids(&asked, none()), ["1"]);
}

#[test]
fn untried_deployments_go_first_and_refused_ones_last() {
    let stage = stage(3, |_, _| {});
    let asked = Asked::default();
    let ids = |ids: &[&str]| -> Vec<String> { ids.iter().map(|id| (*id).to_owned()).collect() };
    let (one, two, all) = (ids(&["0"]), ids(&["0", "1"]), ids(&["0", "1", "2"]));
    let history = |tried, refused, excluded| History {
        tried,
        refused,
        excluded,
        tier: None,
    };
    assert_eq!(stage.ids(&asked, history(&one, &[], &[])), ["1", "2"]);
    assert_eq!(stage.ids(&asked, history(&two, &[], &[])), ["2"]);
    assert_eq!(stage.ids(&asked, history(&all, &[], &[])), ["0", "1", "2"]);
    assert_eq!(stage.ids(&asked, history(&all, &two, &[])), ["2"]);
    assert_eq!(stage.ids(&asked, history(&all, &all, &[])), ["0", "1", "2"]);
    assert_eq!(stage.ids(&asked, history(&[], &[], &two)), ["2"]);
    let error = stage.error(&asked, history(&[], &[], &all));
    assert_eq!(
        (error.kind(), error.error_type()),
        (ErrorKind::NoDeployment, "rate_limit_error")
    );
}

mod stickiness {
    use super::*;

    fn sticky(affinity: Affinity) -> Stage {
        let mut settings = RouterSettings::default();
        settings.affinity.all = affinity;
        settings.affinity.ttl = Duration::from_secs(60);
        with(settings, 4, |_, _| {})
    }

    fn called_by(caller: &str, session: Option<&str>, affinity: Affinity) -> Asked {
        let who = StickyCaller {
            caller: Some(caller),
            session,
        };
        Asked {
            sticky: Sticky::of(&ChatRequest::default(), who, affinity, 1_024),
            ..Asked::default()
        }
    }

    const CALLERS: Affinity = Affinity {
        deployment: true,
        session: false,
        prompt_caching: false,
    };

    #[test]
    fn caller_comes_back_until_the_entry_ends() {
        let stage = sticky(CALLERS);
        let asked = called_by("key", None, CALLERS);
        assert_eq!(stage.ids(&asked, none()).len(), 4);
        stage
            .group
            .remember(&asked.sticky, "2", &stage.settings, stage.now());
        assert_eq!(stage.ids(&asked, none()), ["2"]);
        let other = called_by("other", None, CALLERS);
        assert_eq!(stage.ids(&other, none()).len(), 4);
        stage.clock.advance(Duration::from_secs(60));
        assert_eq!(stage.ids(&asked, none()).len(), 4);
    }

    #[test]
    fn session_goes_before_its_caller() {
        let affinity = Affinity {
            session: true,
            ..CALLERS
        };
        let stage = sticky(affinity);
        let first = called_by("key", Some("s"), affinity);
        stage
            .group
            .remember(&first.sticky, "1", &stage.settings, stage.now());
        let second = called_by("key", Some("t"), affinity);
        stage
            .group
            .remember(&second.sticky, "3", &stage.settings, stage.now());
        assert_eq!(stage.ids(&first, none()), ["1"]);
        assert_eq!(stage.ids(&called_by("key", None, affinity), none()), ["3"]);
        // Another caller's session of the same name is another session.
        assert_eq!(
            stage
                .ids(&called_by("else", Some("s"), affinity), none())
                .len(),
            4
        );
    }

    #[test]
    fn nobody_sticks_to_what_failed_or_past_a_pinned_tier() {
        let stage = sticky(CALLERS);
        let asked = called_by("key", None, CALLERS);
        stage
            .group
            .remember(&asked.sticky, "2", &stage.settings, stage.now());
        let tried = ["2".to_owned()];
        let history = History {
            tried: &tried,
            ..none()
        };
        assert_eq!(stage.ids(&asked, history), ["0", "1", "3"]);
        stage
            .group
            .remember(&asked.sticky, "gone", &stage.settings, stage.now());
        assert_eq!(stage.ids(&asked, none()).len(), 4);
        let mut settings = stage.settings.clone();
        settings.affinity.all = CALLERS;
        let tiers = with(settings, 2, |_, entry| entry.limits.order = Some(1));
        tiers
            .group
            .remember(&asked.sticky, "1", &tiers.settings, tiers.now());
        assert_eq!(tiers.ids(&asked, none()), ["1"]);
        let pinned = History {
            tier: Some(1),
            ..none()
        };
        assert_eq!(tiers.ids(&asked, pinned), ["0", "1"]);
    }

    fn cached(texts: &[&str]) -> ChatRequest {
        let last = texts.len() - 1;
        let part = |(place, text): (usize, &&str)| Part {
            kind: PartKind::Text(Text::new(text)),
            cache: (place == last).then(CacheControl::default),
        };
        ChatRequest {
            messages: vec![Message {
                content: Content::Parts(texts.iter().enumerate().map(part).collect()),
                ..Message::default()
            }],
            ..ChatRequest::default()
        }
    }

    #[test]
    fn longer_prompt_finds_the_cache_of_its_beginning() {
        let affinity = Affinity {
            prompt_caching: true,
            ..Affinity::default()
        };
        let stage = sticky(affinity);
        let asked = |texts: &[&str], min_tokens| Asked {
            sticky: Sticky::of(
                &cached(texts),
                StickyCaller::default(),
                affinity,
                min_tokens,
            ),
            ..Asked::default()
        };
        let first = asked(&["one", "two"], 1);
        stage
            .group
            .remember(&first.sticky, "3", &stage.settings, stage.now());
        assert_eq!(
            stage.ids(&asked(&["one", "two", "three"], 1), none()),
            ["3"]
        );
        assert_eq!(stage.ids(&asked(&["one", "other"], 1), none()).len(), 4);
        // Too short for Bedrock to keep.
        assert_eq!(asked(&["one", "two"], 1_024).sticky, Sticky::default());
        stage.clock.advance(Duration::from_secs(300));
        assert_eq!(stage.ids(&first, none()).len(), 4);
    }
}
