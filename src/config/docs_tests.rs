//! Holds `docs/config.md` and `docs/config.schema.json` to the tables; `UPDATE_DOCS=1` rewrites both.

use std::fmt::Write;
use std::path::PathBuf;

use super::defaults::{self, DEFAULTS, Source};
use super::raw::{Key, Kind, Support, TOP_LEVEL, Table};
use super::*;

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("docs")
        .join(name)
}

/// Compares a file with what it should be, or makes it so.
fn hold(name: &str, wanted: &str) {
    let path = file(name);
    if Environment::of_process().get("UPDATE_DOCS").is_some() {
        std::fs::write(&path, wanted).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == wanted,
        "docs/{name} is behind: run `UPDATE_DOCS=1 cargo test --lib config::docs`"
    );
}

fn type_name(key: &str, kind: &Kind) -> String {
    match kind {
        Kind::Text => "text".to_owned(),
        Kind::Secret => "text, secret".to_owned(),
        Kind::Flag => "true or false".to_owned(),
        Kind::Count if key.ends_with("_mb") => "MiB".to_owned(),
        Kind::Positive if key.ends_with("_mb") => "MiB, 1 or more".to_owned(),
        Kind::Count => "whole number".to_owned(),
        Kind::Positive => "whole number, 1 or more".to_owned(),
        Kind::Integer => "whole number, may be negative".to_owned(),
        Kind::Amount | Kind::Number => "number".to_owned(),
        Kind::Seconds => "seconds".to_owned(),
        Kind::Millis => "milliseconds".to_owned(),
        Kind::Period => {
            "time span: `30s`, `15m`, `12h`, `7d`, `2w`, `1mo`, `daily`, `weekly`, `monthly`"
                .to_owned()
        }
        Kind::Time => "point in time (RFC 3339)".to_owned(),
        Kind::Port => "port".to_owned(),
        Kind::Choice(words) => words
            .iter()
            .map(|word| format!("`{word}`"))
            .collect::<Vec<_>>()
            .join(", "),
        Kind::Status(statuses) => statuses
            .iter()
            .map(u16::to_string)
            .collect::<Vec<_>>()
            .join(" or "),
        Kind::List(item) => format!("list of {}", plural(key, item)),
        Kind::OneOrMore(item) => format!("one or a list of {}", plural(key, item)),
        Kind::MapOf(item) => format!("mapping to {}", plural(key, item)),
        Kind::Keys(_) | Kind::Map => "mapping".to_owned(),
        Kind::OneKeyMaps => "list of one-key mappings".to_owned(),
        Kind::Either(kinds) => kinds
            .iter()
            .filter(|kind| !matches!(kind, Kind::Any))
            .map(|kind| type_name(key, kind))
            .collect::<Vec<_>>()
            .join(", or "),
        Kind::Any => "anything".to_owned(),
        Kind::Misplaced(_) => "–".to_owned(),
        Kind::Entries => "list of entries".to_owned(),
    }
}

fn plural(key: &str, kind: &Kind) -> String {
    match kind {
        Kind::Text => "texts".to_owned(),
        Kind::Map | Kind::Keys(_) | Kind::MapOf(_) => "mappings".to_owned(),
        _ => type_name(key, kind),
    }
}

fn row(table: &Table, key: &Key) -> String {
    let default = match defaults::of(table.name, key.name) {
        Some(default) if default.source == Source::Ours => format!("`{}` (ours)", default.value),
        Some(default) => format!("`{}`", default.value),
        None if key.required => "required".to_owned(),
        None => "–".to_owned(),
    };
    let status = match key.support {
        Support::Honoured | Support::Default => "yes",
        Support::Later => "accepted, not supported yet",
        Support::Inert => "no effect needed",
        Support::OutOfScope => "accepted and ignored",
        Support::Refused(cure) => return refused(key, cure, &default),
    };
    let kind = type_name(key.name, &key.kind).replace('|', "\\|");
    format!(
        "| `{}` | {kind} | {default} | {} | {status} |\n",
        key.name, key.about
    )
}

/// The row of a key that is an error.
fn refused(key: &Key, cure: &str, default: &str) -> String {
    let kind = type_name(key.name, &key.kind).replace('|', "\\|");
    format!(
        "| `{}` | {kind} | {default} | {} | no, an error: {cure} |\n",
        key.name, key.about
    )
}

fn rows(table: &Table) -> String {
    let mut text =
        "| key | type | default | meaning | honoured |\n| --- | --- | --- | --- | --- |\n"
            .to_owned();
    for key in table.all() {
        text += &row(table, key);
    }
    text
}

/// Every table that can be reached from the top, each once.
fn tables() -> Vec<&'static Table> {
    fn of_kind(kind: &'static Kind, found: &mut Vec<&'static Table>) {
        match kind {
            Kind::Keys(table) => of_table(table, found),
            Kind::Entries => of_table(&raw::ENTRY, found),
            Kind::List(item) | Kind::OneOrMore(item) | Kind::MapOf(item) => of_kind(item, found),
            Kind::Either(kinds) => kinds.iter().for_each(|kind| of_kind(kind, found)),
            _ => {}
        }
    }
    fn of_table(table: &'static Table, found: &mut Vec<&'static Table>) {
        // The credentials are a part of `litellm_params`, and shown there.
        let is_known = found.iter().any(|known| known.name == table.name);
        if is_known || (table.name == "litellm_params" && table.also.is_empty()) {
            return;
        }
        found.push(table);
        table.all().for_each(|key| of_kind(&key.kind, found));
    }
    let mut found = Vec::new();
    of_table(&TOP_LEVEL, &mut found);
    found
}

#[test]
fn every_key_is_in_the_documentation() {
    let text = std::fs::read_to_string(file("config.md")).unwrap();
    let (prose, _) = text.split_once("## Keys\n").expect("a chapter `## Keys`");
    let mut wanted = format!("{prose}## Keys\n");
    for table in tables() {
        let name = if table.name.is_empty() {
            "Top level".to_owned()
        } else {
            format!("`{}`", table.name)
        };
        write!(wanted, "\n### {name}\n\n{}", rows(table)).unwrap();
    }
    hold("config.md", &wanted);
}

#[test]
fn schema_file_is_what_the_program_prints() {
    hold("config.schema.json", &format!("{:#}\n", schema()));
}

#[test]
fn no_table_has_a_key_twice_and_every_default_has_one() {
    for table in tables() {
        let mut seen = std::collections::BTreeSet::new();
        for key in table.all() {
            assert!(seen.insert(key.name), "{}.{}", table.name, key.name);
        }
    }
    for default in DEFAULTS {
        let table = tables()
            .into_iter()
            .find(|table| table.name == default.section)
            .unwrap_or_else(|| panic!("no section {}", default.section));
        assert!(table.key(default.key).is_some(), "{}", default.key);
    }
}

#[test]
fn docs_routing_has_the_defaults_of_routing() {
    let text = std::fs::read_to_string(file("routing.md")).unwrap();
    let is_honoured = |key: &str| {
        let key = raw::ROUTER_SETTINGS.key(key);
        key.is_none_or(|key| matches!(key.support, Support::Honoured))
    };
    for (section, prefix) in [
        ("router_settings", ""),
        ("routing_strategy_args", "routing_strategy_args."),
        ("retry_budget", "retry_budget."),
    ] {
        let defaults = DEFAULTS.iter().filter(|one| one.section == section);
        for default in defaults.filter(|one| is_honoured(one.key)) {
            let row = format!("| `{prefix}{}` | `{}` |", default.key, default.value);
            assert!(text.contains(&row), "docs/routing.md lacks {row}");
        }
    }
}
