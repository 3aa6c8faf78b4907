//! Reads the fixtures of a folder beside this file.

use std::fs;
use std::path::Path;

use serde_json::Value;

/// Returns the names and contents of the fixtures in `golden/<folder>`, at least so many, in the order of their names.
pub(crate) fn fixtures(folder: &str, at_least: usize) -> Vec<(String, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(folder);
    let mut paths: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    assert!(paths.len() >= at_least, "fixtures are missing");
    let read = |path: &std::path::PathBuf| {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        (
            name,
            serde_json::from_slice(&fs::read(path).unwrap()).unwrap(),
        )
    };
    paths.iter().map(read).collect()
}
