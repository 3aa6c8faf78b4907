//! Puts the commit into `--version`.

use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=.git/HEAD");
    println!("cargo:rerun-if-env-changed=SWITCHYARD_COMMIT");
    let given = std::env::vars().find(|(name, _)| name == "SWITCHYARD_COMMIT");
    let commit = given.map_or_else(from_git, |(_, value)| value);
    println!("cargo:rustc-env=SWITCHYARD_COMMIT={commit}");
}

/// A source archive has no history; then the commit is not known.
fn from_git() -> String {
    let output = Command::new("git")
        .args(["rev-parse", "--short=12", "HEAD"])
        .output();
    match output {
        Ok(output) if output.status.success() => {
            String::from_utf8_lossy(&output.stdout).trim().to_owned()
        }
        _ => "unknown commit".to_owned(),
    }
}
