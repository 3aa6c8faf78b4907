//! Puts the commit into `--version`.

use std::process::Command;

fn main() {
    // The log of HEAD grows with every commit; where there is none, the commit is not known either.
    match git(&["rev-parse", "--git-path", "logs/HEAD"]) {
        Some(log) => println!("cargo:rerun-if-changed={log}"),
        None => println!("cargo:rerun-if-changed=build.rs"),
    }
    println!("cargo:rerun-if-env-changed=SWITCHYARD_COMMIT");
    let given = std::env::vars().find(|(name, _)| name == "SWITCHYARD_COMMIT");
    let commit = match given {
        Some((_, value)) => value,
        // A source archive has no history.
        None => {
            git(&["rev-parse", "--short=12", "HEAD"]).unwrap_or_else(|| "unknown commit".to_owned())
        }
    };
    println!("cargo:rustc-env=SWITCHYARD_COMMIT={commit}");
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}
