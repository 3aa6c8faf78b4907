//! The region that AWS's shared configuration file gives a profile.
//!
//! Credentials of a profile are aws-config's to find; only the region is needed when the snapshot is built, before anything
//! is called. Format: <https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html>.

use std::fs;
use std::path::PathBuf;

use crate::config::Environment;

/// Returns the region of `profile`, else of `AWS_PROFILE`, else of the default profile.
pub fn region_of_profile(profile: Option<&str>, environment: &Environment) -> Option<String> {
    let text = fs::read_to_string(path(environment)?).ok()?;
    let name = profile
        .or_else(|| environment.get("AWS_PROFILE"))
        .unwrap_or("default");
    region_in(&text, name)
}

fn path(environment: &Environment) -> Option<PathBuf> {
    match environment.get("AWS_CONFIG_FILE") {
        Some(file) => Some(PathBuf::from(file)),
        None => Some(
            PathBuf::from(environment.get("HOME")?)
                .join(".aws")
                .join("config"),
        ),
    }
}

fn region_in(text: &str, name: &str) -> Option<String> {
    let mut is_ours = false;
    for line in text.lines() {
        // An indented line belongs to the nested setting above it.
        if line.starts_with([' ', '\t']) {
            continue;
        }
        if let Some(section) = line.trim_end().strip_prefix('[') {
            let section = section.split(']').next().unwrap_or("").trim();
            let profile = section.strip_prefix("profile ").map_or(section, str::trim);
            is_ours = profile == name;
        } else if is_ours
            && let Some((key, value)) = line.split_once('=')
            && key.trim() == "region"
        {
            return Some(value.trim().to_owned()).filter(|region| !region.is_empty());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "[default]\nregion = us-east-1\n[profile dev]\ns3 =\n  region = no\nregion=eu-west-1 \n[profile bare]\n";

    #[test]
    fn region_of_the_named_profile_is_found() {
        assert_eq!(region_in(FILE, "default").as_deref(), Some("us-east-1"));
        assert_eq!(region_in(FILE, "dev").as_deref(), Some("eu-west-1"));
        assert_eq!(region_in(FILE, "bare"), None);
        assert_eq!(region_in(FILE, "nobody"), None);
    }

    #[test]
    fn file_and_profile_come_from_the_environment() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config");
        fs::write(&file, FILE).unwrap();
        let mut environment = Environment::default();
        assert_eq!(region_of_profile(Some("dev"), &environment), None);
        environment.set("AWS_CONFIG_FILE", file.to_str().unwrap());
        environment.set("AWS_PROFILE", "dev");
        assert_eq!(
            region_of_profile(None, &environment).as_deref(),
            Some("eu-west-1")
        );
    }
}
