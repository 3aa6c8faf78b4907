//! The explanation as text, for people: one fact a line, what is off left out where its absence says as much.

use super::deployment::{BudgetView, CooldownView, DeploymentView, LimitView};
use super::keys::KeyView;
use super::rules::{CacheView, FiltersView, PolicyView, RetriesView};
use super::{Explanation, FallbackView};

/// The most keys that are listed; JSON has all.
const MOST_KEYS: usize = 20;

impl Explanation {
    /// Writes it.
    pub(super) fn text(&self) -> String {
        let mut out = Vec::new();
        self.name(&mut out);
        self.rules(&mut out);
        for deployment in &self.deployments {
            deployment.lines(&mut out);
        }
        self.after(&mut out);
        out.push(format!("cache          {}", cache(self.cache.as_ref())));
        self.keys(&mut out);
        out.join("\n")
    }

    fn name(&self, out: &mut Vec<String>) {
        out.push(format!("requested      {}", self.requested));
        if let Some(forced) = &self.forced {
            out.push(format!("replaced       {forced} (completion_model)"));
        }
        if let Some(renamed) = &self.renamed {
            out.push(format!("renamed        {renamed} (model_alias_map)"));
        }
        let (matched, group) = (self.matched, &self.group);
        out.push(format!("resolved       {matched} (group {group})"));
        if let Some(pattern) = &self.pattern {
            let captures: Vec<String> = self
                .captures
                .iter()
                .map(|text| format!("`{text}`"))
                .collect();
            out.push(format!(
                "pattern        {pattern}, * is {}",
                captures.join(", ")
            ));
        }
        if !self.alias_of_keys.is_empty() {
            out.push(format!(
                "only for       key {}",
                self.alias_of_keys.join(", ")
            ));
        }
        if self.shown != self.group {
            out.push(format!("shown as       {} (headers, cache)", self.shown));
        }
    }

    fn rules(&self, out: &mut Vec<String>) {
        let args = &self.strategy_args;
        let args = match self.strategy.as_str() {
            "latency-based-routing" => format!(
                " (samples {} for {} s, buffer {}{})",
                args.max_latency_list_size,
                args.ttl_seconds,
                args.lowest_latency_buffer,
                args.ttft_percentile
                    .map_or_else(String::new, |percentile| format!(
                        ", ttft percentile {percentile}"
                    )),
            ),
            _ => String::new(),
        };
        out.push(format!("strategy       {}{args}", self.strategy));
        out.push(format!("filters        {}", filters(&self.filters)));
        if self.filters.tags {
            let tags = match self.tags.join(", ") {
                none if none.is_empty() => "without tags (--tag asks for some)".to_owned(),
                tags => format!("with the tags {tags}"),
            };
            out.push(format!("shares         of calls {tags}"));
        }
        if self.tiers.len() > 1 {
            let tiers: Vec<String> = self.tiers.iter().map(ToString::to_string).collect();
            out.push(format!("tiers          order {}", tiers.join(", then ")));
        }
        retries(&self.retries, out);
        if self.agents {
            let line = "agents         what one may have acted on is not sent again; nothing is hedged, kept or shared";
            out.push(line.to_owned());
        }
        let call = &self.call;
        if let Some(deadline) = call.deadline_seconds {
            out.push(format!("deadline       {deadline} s for the whole call"));
        }
        if let Some(after) = call.hedge_after_seconds {
            out.push(format!("hedge          after {after} s"));
        }
        if call.stream_recovery != "none" {
            out.push(format!("streams        {}", call.stream_recovery));
        }
        let queue = self.deployments.iter().map(|one| one.max_queue_ms).max();
        if let Some(longest) = queue.filter(|longest| *longest > 0) {
            let priority = call.default_priority;
            let priority =
                priority.map_or_else(String::new, |priority| format!(", priority {priority}"));
            out.push(format!("queue          up to {longest} ms{priority}"));
        }
        if call.enable_weighted_failover {
            out.push("failover       the rest of the group by weight, before fallbacks".to_owned());
        }
    }

    /// What follows when the group fails, by kind of error.
    fn after(&self, out: &mut Vec<String>) {
        if self.fallbacks.is_empty() {
            out.push("fallbacks      none".to_owned());
        }
        for fallback in &self.fallbacks {
            fallback.lines("then group", out);
        }
        for (what, list) in [
            ("conversation too long", &self.context_window_fallbacks),
            ("content refused", &self.content_policy_fallbacks),
        ] {
            let names = |list: &[FallbackView]| {
                let names: Vec<String> = list.iter().map(|one| one.group.clone()).collect();
                names
            };
            let own = names(list);
            if own.is_empty() || own == names(&self.fallbacks) {
                continue;
            }
            out.push(format!("{what}:"));
            for fallback in list {
                fallback.lines("then group", out);
            }
        }
        let call = &self.call;
        if !self.fallbacks.is_empty() {
            let mistakes = if call.fallback_on_4xx {
                ", for the caller's mistakes too"
            } else {
                ""
            };
            out.push(format!(
                "depth          {} lists{mistakes}",
                call.max_fallbacks
            ));
        }
    }

    fn keys(&self, out: &mut Vec<String>) {
        if self.depends_on_key {
            out.push(
                "by key         team_id and access_groups of deployments decide who may use them"
                    .to_owned(),
            );
        }
        for key in self.virtual_keys.iter().take(MOST_KEYS) {
            out.push(format!("key {:<10} {}", key.key, key_line(key)));
        }
        if let Some(more) = self
            .virtual_keys
            .len()
            .checked_sub(MOST_KEYS)
            .filter(|more| *more > 0)
        {
            out.push(format!("and {more} more keys: see --json"));
        }
    }
}

impl FallbackView {
    fn lines(&self, title: &str, out: &mut Vec<String>) {
        let mut notes = Vec::new();
        if self.is_default {
            notes.push("default_fallbacks".to_owned());
        }
        if !self.overrides.is_empty() {
            notes.push(format!("with its own {}", self.overrides.join(", ")));
        }
        if !self.then.is_empty() {
            notes.push(format!("then {}", self.then.join(", ")));
        }
        let notes = match notes.join("; ") {
            none if none.is_empty() => String::new(),
            notes => format!(" ({notes})"),
        };
        let unknown = if self.exists {
            ""
        } else {
            ": there is no such group"
        };
        out.push(format!("{title} {}{notes}{unknown}", self.group));
        for deployment in &self.deployments {
            deployment.lines(out);
        }
    }
}

impl DeploymentView {
    fn lines(&self, out: &mut Vec<String>) {
        out.push(format!("  deployment {}", self.id));
        let blocked = if self.blocked { " (blocked)" } else { "" };
        let mut line = |name: &str, value: String| out.push(format!("    {name:<13}{value}"));
        line("model", format!("{}{blocked}", self.model));
        if let Some(gap) = &self.gap {
            line("answers", format!("no: {gap}"));
        }
        if self.mocked {
            line("answers", "mock_response, without a call".to_owned());
        }
        line("model id", self.model_id.clone());
        line("route", self.route.clone());
        line("url", self.url.clone());
        line("region", self.region.clone());
        line("credentials", self.credentials.clone());
        line("limits", self.limits_line());
        line("timeouts", self.timeouts_line());
        line("preference", self.preference_line());
        if let Some(retries) = self.num_retries {
            line("retries", format!("{retries} when it fails first"));
        }
        let tags: Vec<&str> = (self.tags.iter().chain(&self.tag_regex))
            .map(String::as_str)
            .collect();
        if !tags.is_empty() {
            line("tags", tags.join(", "));
        }
        let team = self.team_id.iter().map(|team| format!("team {team}"));
        let groups = self
            .access_groups
            .iter()
            .map(|group| format!("access group {group}"));
        let only: Vec<String> = team.chain(groups).collect();
        if !only.is_empty() {
            line("for", only.join(", "));
        }
        if let Some(budget) = &self.budget {
            line("budget", amount(budget));
        }
        line(
            "cooldown",
            self.cooldown
                .as_ref()
                .map_or_else(|| "off".to_owned(), cooldown),
        );
        if let Some(check) = &self.health_check {
            let (every, within) = (check.interval_seconds, check.timeout_seconds);
            let by = check.model.iter().map(|model| format!(", by {model}"));
            let by: String = by.collect();
            line("checked", format!("every {every} s, within {within} s{by}"));
        }
    }

    fn limits_line(&self) -> String {
        let mut parts: Vec<String> = Vec::new();
        for name in ["rpm", "tpm", "itpm", "otpm", "max_parallel_requests"] {
            let shown = if name == "max_parallel_requests" {
                "parallel"
            } else {
                name
            };
            let counted = self.limits.iter().find(|limit| limit.name == name);
            let idle = self.uncounted().find(|(uncounted, _)| *uncounted == name);
            match (counted, idle) {
                (
                    Some(LimitView {
                        limit,
                        enforced: true,
                        ..
                    }),
                    _,
                ) => parts.push(format!("{shown} {limit} (enforced)")),
                (Some(&LimitView { limit, .. }), _) | (None, Some((_, limit))) => {
                    parts.push(format!("{shown} {limit} (not enforced)"));
                }
                (None, None) if name == "itpm" || name == "otpm" => {}
                (None, None) => parts.push(format!("{shown} none")),
            }
        }
        parts.join(", ")
    }

    fn timeouts_line(&self) -> String {
        let times = &self.timeouts;
        let mut parts = vec![
            format!("{} s", times.attempt_seconds),
            format!("stream {} s to its first event", times.first_event_seconds),
            format!("{} s between events", times.stream_idle_seconds),
            format!("connect {} s", times.connect_seconds),
        ];
        let tiers = times.by_service_tier.iter();
        parts.extend(tiers.map(|(tier, seconds)| format!("tier {tier} {seconds} s")));
        let tiers = times.stream_by_service_tier.iter();
        parts.extend(tiers.map(|(tier, seconds)| format!("stream of tier {tier} {seconds} s")));
        parts.join(", ")
    }

    fn preference_line(&self) -> String {
        let share = match self.share {
            _ if self.blocked => None,
            _ if !self.takes_tags => Some(" (share 0: its tags are others)".to_owned()),
            share => share.map(|share| format!(" (share {share:.3})")),
        };
        let (weight, order) = (given(self.weight), given(self.order));
        format!(
            "weight {weight}{}, order {order}",
            share.unwrap_or_default()
        )
    }
}

fn given(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "none".to_owned(), |value| value.to_string())
}

fn amount(budget: &BudgetView) -> String {
    match budget.period_seconds {
        Some(period) => format!("{} USD per {period} s", budget.limit_usd),
        None => format!("{} USD", budget.limit_usd),
    }
}

fn numbers(policy: &PolicyView) -> String {
    let numbers: Vec<String> = (policy.iter())
        .map(|(class, number)| format!("{class} {number}"))
        .collect();
    numbers.join(", ")
}

fn cooldown(view: &CooldownView) -> String {
    let window = view.window_seconds;
    let policy = &view.allowed_fails_policy;
    let when = match view.allowed_fails {
        // What is not of a class means nothing for the only deployment of a group.
        _ if view.alone => {
            format!(
                "at once after 401 and 404, else when all of 1000 or more attempts fail in {window} s"
            )
        }
        Some(allowed) => format!("after more than {allowed} failures in {window} s"),
        None if !policy.is_empty() => {
            format!("after more than 3 failures of other classes in {window} s")
        }
        None => format!(
            "at once after 429, 401 and 404, else when most of 5 or more attempts fail in {window} s"
        ),
    };
    let own = match numbers(policy) {
        none if none.is_empty() => none,
        numbers => format!("; {numbers}"),
    };
    format!(
        "{} s, at most {} s: {when}{own}",
        view.seconds, view.max_seconds
    )
}

fn retries(view: &RetriesView, out: &mut Vec<String>) {
    out.push(format!("retries        {}", view.num_retries));
    if let Some(from) = view.policy_from {
        out.push(format!("  by class     {} ({from})", numbers(&view.policy)));
    }
    if view.retry_after_seconds > 0.0 {
        out.push(format!(
            "  wait         {} s at least",
            view.retry_after_seconds
        ));
    }
    out.push(match &view.budget {
        Some(budget) => format!(
            "  budget       {} tokens, {} a second; a retry takes {}, after a 429 {}",
            budget.capacity, budget.refill_per_second, budget.cost, budget.throttle_cost
        ),
        None => "  budget       off".to_owned(),
    });
    if let Some(most) = view.num_retries_per_request {
        out.push(format!("  of a call    {most}, fallbacks included"));
    }
}

fn filters(view: &FiltersView) -> String {
    let mut on = Vec::new();
    if view.tags {
        on.push(
            if view.tag_filtering_match_any {
                "tags (any)"
            } else {
                "tags (all)"
            }
            .to_owned(),
        );
    }
    if view.pre_call_checks {
        on.push("pre-call checks".to_owned());
    }
    on.extend(
        view.affinity
            .iter()
            .map(|name| format!("{name} for {} s", view.affinity_seconds)),
    );
    if view.cooldowns {
        on.push("cooldowns".to_owned());
    }
    if view.health_checks {
        on.push("health checks".to_owned());
    }
    on.push(match view.rate_limits {
        "enforced" => "limits per minute".to_owned(),
        "requests" => "limits on requests per minute".to_owned(),
        _ => "parallel limits only".to_owned(),
    });
    if let Some(budget) = &view.provider_budget {
        on.push(format!("budget of all {}", amount(budget)));
    }
    if let Some(budget) = &view.gateway_budget {
        on.push(format!("budget of the gateway {}", amount(budget)));
    }
    let tagged = view.tag_budgets.iter();
    on.extend(tagged.map(|(tag, budget)| format!("budget of tag {tag} {}", amount(budget))));
    on.join(", ")
}

fn cache(view: Option<&CacheView>) -> String {
    let Some(view) = view else {
        return "off".to_owned();
    };
    let mut parts = vec![view.r#type.to_owned()];
    parts.extend(view.ttl_seconds.map(|ttl| format!("{ttl} s")));
    parts.push(format!("scope {}", view.scope));
    if view.default_off {
        parts.push("only where a request asks for it".to_owned());
    }
    parts.extend(
        view.max_messages
            .map(|most| format!("up to {most} messages")),
    );
    if !view.covers_chat {
        parts.push("not for chat".to_owned());
    }
    parts.join(", ")
}

fn key_line(key: &KeyView) -> String {
    let mut parts = Vec::new();
    if key.blocked {
        parts.push("is blocked".to_owned());
    }
    if !key.allowed {
        parts.push("may not call it".to_owned());
    }
    if !key.by_access_groups.is_empty() {
        parts.push(format!(
            "by access group {} only",
            key.by_access_groups.join(", ")
        ));
    }
    if let Some(renamed) = &key.renamed {
        parts.push(format!("is served {renamed}"));
    }
    if let Some(team) = &key.team_id {
        parts.push(format!("team {team}"));
    }
    if !key.own_deployments.is_empty() {
        let own = key.own_deployments.join(", ");
        parts.push(format!("which means its own by the name: {own}"));
    }
    if let Some(region) = &key.allowed_model_region {
        parts.push(format!("in {region} regions only"));
    }
    if !key.tags.is_empty() {
        parts.push(format!("tags {}", key.tags.join(", ")));
    }
    if let Some(budget) = &key.budget {
        parts.push(format!("budget {}", amount(budget)));
    }
    if let Some(expires) = &key.expires {
        parts.push(format!("until {expires}"));
    }
    if !key.aliases.is_empty() {
        parts.push(format!("calls it {} too", key.aliases.join(", ")));
    }
    let limits = key.limits.iter();
    parts.extend(limits.map(|limit| format!("{} {} of the {}", limit.name, limit.limit, limit.of)));
    if !key.router_settings.is_empty() {
        parts.push(format!("its own {}", key.router_settings.join(", ")));
    }
    parts.join("; ")
}
