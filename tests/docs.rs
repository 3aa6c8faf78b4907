//! Holds the documents to the repository: paths that they name exist, `make` knows its targets, configuration that
//! they show loads, and the first commands of the README are the ones that are tested.

#![expect(
    clippy::expect_used,
    reason = "a test that cannot read the documents has nothing to say"
)]

use std::fs;
use std::path::{Path, PathBuf};

use switchyard::config::{self, Environment, Overrides};

/// Folders that a document may point into; anything else with a slash may be a model id, a URL or a header.
const FOLDERS: [&str; 7] = [
    "src/",
    "tests/",
    "docs/",
    "benches/",
    "examples/",
    "fuzz/",
    ".ci/",
];

struct Document {
    name: String,
    text: String,
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|_| String::new())
}

fn documents() -> Vec<Document> {
    let mut names: Vec<String> = [
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
    ]
    .map(str::to_owned)
    .to_vec();
    for entry in fs::read_dir(root().join("docs")).expect("docs/ is readable") {
        let name = entry.expect("a readable entry").file_name();
        let name = name.to_string_lossy();
        if name.ends_with(".md") {
            names.push(format!("docs/{name}"));
        }
    }
    names.push("tests/conformance/README.md".to_owned());
    names
        .into_iter()
        .map(|name| Document {
            text: read(&name),
            name,
        })
        .collect()
}

impl Document {
    /// Fenced blocks: language and content.
    fn blocks(&self) -> Vec<(String, String)> {
        let mut blocks = Vec::new();
        let mut open: Option<(String, String)> = None;
        for line in self.text.lines() {
            match (&mut open, line.trim_start().strip_prefix("```")) {
                (None, Some(language)) => open = Some((language.trim().to_owned(), String::new())),
                (Some(_), Some(_)) => blocks.extend(open.take()),
                (Some((_, content)), None) => {
                    content.push_str(line);
                    content.push('\n');
                }
                (None, None) => {}
            }
        }
        blocks
    }

    /// What stands between backticks inside of a line, and the lines of shell blocks.
    fn code(&self) -> Vec<String> {
        let mut code: Vec<String> = self
            .text
            .lines()
            .filter(|line| !line.trim_start().starts_with("```"))
            .flat_map(|line| line.split('`').skip(1).step_by(2))
            .map(str::to_owned)
            .collect();
        for (language, content) in self.blocks() {
            if ["sh", "shell", "bash", ""].contains(&language.as_str()) {
                code.extend(content.lines().map(|line| line.trim().to_owned()));
            }
        }
        code
    }

    /// Targets of Markdown links.
    fn links(&self) -> Vec<String> {
        self.text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
            .map(str::to_owned)
            .collect()
    }
}

fn fail_if_any(what: &str, problems: &[String]) {
    assert!(problems.is_empty(), "{what}:\n  {}", problems.join("\n  "));
}

#[test]
fn every_document_is_there() {
    let missing: Vec<String> = documents()
        .into_iter()
        .filter(|document| document.text.is_empty())
        .map(|document| document.name)
        .collect();
    fail_if_any("missing documents", &missing);
}

#[test]
fn every_path_that_is_named_exists() {
    let mut problems = Vec::new();
    for document in documents() {
        for word in document
            .code()
            .iter()
            .flat_map(|code| code.split_whitespace())
        {
            let path = word.trim_matches(|letter: char| "\"'(),;:".contains(letter));
            let named = FOLDERS.iter().any(|folder| path.starts_with(folder));
            // `<name>`, `*` and `{a,b}` stand for several.
            let fixed: String = path
                .chars()
                .take_while(|letter| !"<*{…$".contains(*letter))
                .collect();
            let whole = fixed.len() == path.len();
            let target = if whole {
                path
            } else {
                fixed.rsplit_once('/').map_or("", |(folder, _)| folder)
            };
            if named && !root().join(target).exists() {
                problems.push(format!("{}: {path}", document.name));
            }
        }
        for link in document.links() {
            let target = link.split('#').next().unwrap_or_default();
            let remote = link.starts_with("http") || link.starts_with("mailto:");
            let here = Path::new(&document.name)
                .parent()
                .unwrap_or_else(|| Path::new(""));
            if !remote && !target.is_empty() && !root().join(here).join(target).exists() {
                problems.push(format!("{}: link to {link}", document.name));
            }
        }
    }
    fail_if_any("paths that do not exist", &problems);
}

#[test]
fn every_make_target_that_is_named_exists() {
    let makefile = read("Makefile") + &read("bench.mk");
    let mut problems = Vec::new();
    for document in documents() {
        for code in document.code() {
            let mut words = code
                .split_whitespace()
                .skip_while(|word| word.contains('='));
            if words.next() != Some("make") {
                continue;
            }
            let Some(target) = words.find(|word| !word.contains('=') && !word.starts_with('-'))
            else {
                continue;
            };
            if !makefile.contains(&format!("\n{target}:")) {
                problems.push(format!("{}: make {target}", document.name));
            }
        }
    }
    fail_if_any("make targets that do not exist", &problems);
}

#[test]
fn every_configuration_that_is_shown_loads() {
    let mut problems = Vec::new();
    let mut shown = 0;
    for document in documents() {
        for (language, content) in document.blocks() {
            if language != "yaml" || !content.contains("model_list:") {
                continue;
            }
            shown += 1;
            let path = root().join("shown.yaml");
            let loaded = config::load_bytes(
                &path,
                content.as_bytes(),
                Environment::default(),
                &Overrides::default(),
            );
            if let Err(findings) = loaded {
                problems.push(format!("{}:\n{content}\n{findings}", document.name));
            }
        }
    }
    assert!(shown > 0, "no document shows a configuration");
    fail_if_any("configuration that does not load", &problems);
}

#[test]
fn every_flag_that_is_named_exists() {
    let mut command = <switchyard::cli::Arguments as clap::CommandFactory>::command();
    command.build();
    let mut flags: Vec<String> = vec!["--version".to_owned(), "--help".to_owned()];
    let commands = std::iter::once(&command).chain(command.get_subcommands());
    for argument in commands.flat_map(clap::Command::get_arguments) {
        let names = argument.get_long_and_visible_aliases().unwrap_or_default();
        flags.extend(names.iter().map(|name| format!("--{name}")));
    }
    let mut problems = Vec::new();
    for document in documents() {
        for code in document.code() {
            let ours = code.starts_with("switchyard ")
                || (code.starts_with("cargo run") && code.contains(" -- "))
                || code.starts_with("--");
            let arguments = code
                .split_once(" -- ")
                .map_or(code.as_str(), |(_, after)| after);
            for flag in arguments
                .split_whitespace()
                .filter(|word| ours && word.starts_with("--"))
            {
                let flag = flag.split('=').next().unwrap_or(flag);
                if !flags.iter().any(|known| known == flag) {
                    problems.push(format!("{}: {flag}", document.name));
                }
            }
        }
    }
    fail_if_any("flags that do not exist", &problems);
}

#[test]
fn the_readme_starts_with_the_two_commands() {
    let readme = Document {
        name: "README.md".to_owned(),
        text: read("README.md"),
    };
    let commands: Vec<String> = readme
        .blocks()
        .into_iter()
        .filter(|(language, _)| language == "sh")
        .map(|(_, content)| content)
        .collect();
    let start = "cargo run --release -- --config examples/configs/quickstart.yaml --simulate";
    assert_eq!(commands.first().map(|text| text.trim()), Some(start));
    assert!(commands.iter().any(|content| content.trim() == "make test"));
    let gate = read(".ci/run");
    let calls: Vec<&str> = gate
        .lines()
        .filter(|line| !line.starts_with('#') && !line.trim().is_empty())
        .filter(|line| !line.starts_with("set ") && !line.starts_with("cd "))
        .collect();
    assert_eq!(calls, ["make test"], "the gate is what the README says");
}

#[test]
fn every_metric_is_documented_as_it_is() {
    use switchyard::telemetry::names::METRICS;
    let text = read("docs/telemetry.md");
    let missing: Vec<String> = METRICS
        .iter()
        .map(|metric| {
            let labels: Vec<String> = metric.labels.iter().map(|l| format!("`{l}`")).collect();
            let labels = match labels.join(", ") {
                none if none.is_empty() => "–".to_owned(),
                labels => labels,
            };
            let kind = metric.kind.name();
            format!(
                "| `{}` | {kind} | {labels} | {} |",
                metric.name, metric.help
            )
        })
        .filter(|row| !text.lines().any(|line| line == row))
        .collect();
    fail_if_any("rows that docs/telemetry.md lacks", &missing);
    let rows = text
        .lines()
        .filter(|line| line.starts_with("| `switchyard_") || line.starts_with("| `litellm_"));
    assert_eq!(rows.count(), METRICS.len(), "metrics that are no more");
}
