//! Holds the source to its layout: which folder may use which, where a package may be used, and what every file opens
//! with. Read from the text of the files, so that a wrong arrow is found where it is written.

#![expect(
    clippy::expect_used,
    reason = "a test that cannot read the source has nothing to say"
)]

use std::fs;
use std::path::{Path, PathBuf};

/// Folders of `src/`, from the client's side to what everything stands on. A folder uses only what is in a later row.
const ROWS: [&[&str]; 11] = [
    &["http"],
    &["pipeline"],
    &["state"],
    &["keys", "cache", "router"],
    &["limit"],
    &["upstream", "store"],
    &["dialect", "provider"],
    &["catalog"],
    &["telemetry"],
    &["config"],
    &["canonical", "error", "clock", "random", "hex"],
];

/// What puts the parts together, and may use all of them.
const ASSEMBLY: [&str; 4] = ["main", "lib", "cli", "server"];

/// A package, and the only places that may name it.
const HOMES: [(&str, &[&str]); 21] = [
    ("axum", &["http/", "server/"]),
    ("tower_http", &["http/", "server/"]),
    ("hyper", &["http/", "server/", "simulator/"]),
    ("hyper_util", &["http/", "server/", "simulator/"]),
    ("clap", &["main.rs", "cli/", "telemetry/"]),
    ("figment", &["config/"]),
    ("serde_yaml", &["config/"]),
    ("saphyr_parser", &["config/"]),
    ("arc_swap", &["state/"]),
    ("moka", &["cache/"]),
    ("governor", &["limit/"]),
    ("notify", &["state/watch.rs"]),
    ("prometheus", &["telemetry/"]),
    ("redis", &["store/redis/"]),
    ("reqwest", &["upstream/"]),
    ("thread_priority", &["state/aside.rs"]),
    ("aws_config", &["upstream/"]),
    ("aws_sigv4", &["provider/bedrock/sign.rs"]),
    ("opentelemetry", &["telemetry/"]),
    ("tracing_opentelemetry", &["telemetry/"]),
    ("tracing_subscriber", &["telemetry/"]),
];

/// Names that say nothing about what is inside.
const EMPTY_NAMES: [&str; 9] = [
    "utils", "util", "helpers", "helper", "common", "types", "misc", "shared", "core",
];

struct Source {
    /// Relative to `src/`, with forward slashes.
    path: String,
    text: String,
}

impl Source {
    /// The folder, or the file that stands for one; its tests belong to it.
    fn folder(&self) -> &str {
        let first = self.path.split('/').next().unwrap_or(&self.path);
        let file = first.trim_end_matches(".rs");
        file.trim_end_matches("_tests")
    }

    fn is_test(&self) -> bool {
        self.path.ends_with("_tests.rs") || self.path.ends_with("/tests.rs")
    }

    /// What is compiled into the program: comments are emptied, tests (they stand at the end) are cut.
    fn code(&self) -> String {
        let lines: Vec<&str> = self
            .text
            .lines()
            .take_while(|line| !line.starts_with("#[cfg(test)]"))
            .map(|line| {
                if line.trim_start().starts_with("//") {
                    ""
                } else {
                    line
                }
            })
            .collect();
        lines.join("\n")
    }
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    files.sort();
    files
        .into_iter()
        .map(|file| Source {
            path: file
                .strip_prefix(&root)
                .expect("below src/")
                .to_string_lossy()
                .replace('\\', "/"),
            text: fs::read_to_string(&file).expect("a readable source file"),
        })
        .collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a readable folder") {
        let path = entry.expect("a readable entry").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

fn row(folder: &str) -> Option<usize> {
    ROWS.iter().position(|row| row.contains(&folder))
}

/// The modules of the crate that code names by `crate::name` or inside `crate::{…}`, with the line of each.
fn used_folders(code: &str) -> Vec<(usize, String)> {
    let mut folders = Vec::new();
    for (index, prefix) in code.match_indices("crate::") {
        let line = code.get(..index).unwrap_or_default().matches('\n').count() + 1;
        let after = code.get(index + prefix.len()..).unwrap_or_default();
        let names = match after.strip_prefix('{') {
            Some(group) => members(group),
            None => vec![after],
        };
        for name in names {
            let name: String = name
                .trim()
                .chars()
                .take_while(|letter| letter.is_alphanumeric() || *letter == '_')
                .collect();
            // Types of the crate's root would be upper case; there are none.
            if name.starts_with(|letter: char| letter.is_ascii_lowercase()) {
                folders.push((line, name));
            }
        }
    }
    folders
}

/// The members of a `use` group, given what follows its opening brace.
fn members(group: &str) -> Vec<&str> {
    let (mut depth, mut start, mut found) = (0_usize, 0, Vec::new());
    for (index, letter) in group.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                found.push(group.get(start..index).unwrap_or_default());
                start = index + 1;
                if letter == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    found
}

fn fail_if_any(what: &str, problems: &[String]) {
    assert!(problems.is_empty(), "{what}:\n  {}", problems.join("\n  "));
}

#[test]
fn a_folder_uses_only_what_is_to_its_right() {
    let mut problems = Vec::new();
    for source in sources().iter().filter(|source| !source.is_test()) {
        let folder = source.folder();
        if ASSEMBLY.contains(&folder) {
            continue;
        }
        for (number, used) in used_folders(&source.code()) {
            let allowed = used == folder
                || match (row(folder), row(&used)) {
                    (Some(own), Some(other)) => other > own,
                    // The simulator stands apart: it uses nothing, and only what puts the parts together uses it.
                    _ => false,
                };
            if !allowed {
                problems.push(format!("src/{}:{number}: {folder} → {used}", source.path));
            }
        }
    }
    fail_if_any("arrows that point the wrong way", &problems);
}

#[test]
fn every_folder_has_its_place_in_the_order() {
    let unknown: Vec<String> = sources()
        .iter()
        .map(|source| source.folder().to_owned())
        .filter(|folder| {
            row(folder).is_none()
                && folder != "simulator"
                && folder != "allocator"
                && !ASSEMBLY.contains(&folder.as_str())
        })
        .collect();
    fail_if_any("folders that have no row in tests/layout.rs", &unknown);
}

#[test]
fn a_package_is_used_only_in_its_home() {
    let mut problems = Vec::new();
    for source in sources().iter().filter(|source| !source.is_test()) {
        for (package, homes) in HOMES {
            if homes.iter().any(|home| source.path.starts_with(home)) {
                continue;
            }
            for (index, line) in source.code().lines().enumerate() {
                if names_package(line, package) {
                    problems.push(format!("src/{}:{}: {package}", source.path, index + 1));
                }
            }
        }
    }
    fail_if_any("packages away from home", &problems);
}

/// Whether `package::` stands in the line as a path's first segment.
fn names_package(line: &str, package: &str) -> bool {
    line.match_indices(package).any(|(index, _)| {
        let before = line.get(..index).and_then(|text| text.chars().next_back());
        let after = line.get(index + package.len()..).unwrap_or_default();
        let starts = before
            .is_none_or(|letter| !(letter.is_alphanumeric() || letter == '_' || letter == ':'));
        starts && after.starts_with("::")
    })
}

#[test]
fn every_file_opens_with_what_it_is_for() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut problems: Vec<String> = sources()
        .iter()
        .filter(|source| !source.is_test() && !source.text.starts_with("//! "))
        .map(|source| format!("src/{}", source.path))
        .collect();
    for folder in ["tests", "benches"] {
        let mut files = Vec::new();
        collect(&root.join(folder), &mut files);
        problems.extend(
            files
                .iter()
                .filter(|file| {
                    !fs::read_to_string(file)
                        .expect("a readable file")
                        .starts_with("//! ")
                })
                .map(|file| file.display().to_string()),
        );
    }
    fail_if_any("files without `//!`", &problems);
}

#[test]
fn a_folder_says_all_in_its_mod_rs() {
    let sources = sources();
    let problems: Vec<String> = sources
        .iter()
        .filter(|source| {
            let folder = format!("{}/", source.path.trim_end_matches(".rs"));
            !source.path.ends_with("mod.rs")
                && sources.iter().any(|other| other.path.starts_with(&folder))
        })
        .map(|source| format!("src/{} beside a folder of that name", source.path))
        .collect();
    fail_if_any("modules in two places", &problems);
}

#[test]
fn names_say_what_is_inside() {
    let problems: Vec<String> = sources()
        .iter()
        .filter(|source| {
            source
                .path
                .trim_end_matches(".rs")
                .split('/')
                .any(|part| EMPTY_NAMES.contains(&part))
        })
        .map(|source| format!("src/{}", source.path))
        .collect();
    fail_if_any("empty names", &problems);
}

#[test]
fn arrows_are_read_from_every_form_of_use() {
    let names =
        |code| -> Vec<String> { used_folders(code).into_iter().map(|used| used.1).collect() };
    let group =
        "use crate::{\n    config::Secret,\n    error::{Error, ErrorKind},\n};\nuse other::x;";
    assert_eq!(names(group), ["config", "error"]);
    assert_eq!(
        names("crate::http::get(crate::clock::now())"),
        ["http", "clock"]
    );
    assert_eq!(names("use super::http;"), [""; 0]);
    assert_eq!(used_folders("\nuse crate::http;"), [(2, "http".to_owned())]);
}

#[test]
fn packages_are_read_from_paths_only() {
    assert!(names_package("use axum::Router;", "axum"));
    assert!(!names_package("use my_axum::Router;", "axum"));
    assert!(!names_package("use crate::axum::Router;", "axum"));
}
