//! Where the server listens, and whether that opens it: the master key in view of the address. The start, every reload and
//! `switchyard check` ask the same.

use std::net::{IpAddr, Ipv4Addr};

use crate::config::{Config, Finding, Severity};

/// A key that everyone knows from LiteLLM's documentation.
const WEAK_KEY: &str = "sk-1234";

/// What the findings are about.
const KEY: &str = "general_settings.master_key";

/// What is weak about the master key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Weakness {
    what: String,
    /// Whether anyone may call who reaches the server; else calls need a virtual key.
    is_open: bool,
}

impl Weakness {
    /// Finds what is weak about the master key, if anything.
    pub(super) fn of(config: &Config) -> Option<Self> {
        let general = &config.general;
        if let Some(key) = &general.master_key {
            let what =
                format!("the master key is `{WEAK_KEY}`, which everyone knows from documentation");
            let is_open = true;
            return (key.expose() == WEAK_KEY).then_some(Self { what, is_open });
        }
        let mut what = "no master key is set".to_owned();
        if let Some(variable) = &general.master_key_missing {
            let why = format!(": `{KEY}` refers to {variable}, which is not set");
            what.push_str(&why);
        }
        let is_open = config.virtual_keys.is_empty();
        if !is_open {
            what += "; calls need one of the `virtual_keys`, and there is no administrator";
        }
        Some(Self { what, is_open })
    }
}

/// Returns where to listen, and what to say of it: everywhere with a good master key, on this machine only without one.
///
/// # Errors
///
/// An address that would open the server.
pub(super) fn host(
    asked: Option<IpAddr>,
    config: &Config,
) -> Result<(IpAddr, Vec<String>), String> {
    let permitted = config.general.permit_weak_master_key;
    let weakness = Weakness::of(config);
    let host = match asked {
        Some(host) => host,
        None if weakness.is_some() && !permitted => IpAddr::V4(Ipv4Addr::LOCALHOST),
        None => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
    };
    let Some(Weakness { what, is_open }) = weakness else {
        return Ok((host, Vec::new()));
    };
    let warning = match (host.is_loopback(), is_open) {
        (true, true) => format!("open: {what}; only this machine can reach it"),
        (true, false) => format!("{what}; only this machine can reach it"),
        (false, _) if !permitted => {
            return Err(format!(
                "{what}; not listening on {host}, where others could call. Set `{KEY}` (or the variable \
                 LITELLM_MASTER_KEY) to a key of your own, or use --host 127.0.0.1, or set \
                 `general_settings.dangerously_permit_weak_or_unset_master_key: true`"
            ));
        }
        (false, true) => format!("OPEN TO EVERYONE WHO CAN REACH IT: {what}"),
        (false, false) => what,
    };
    Ok((host, vec![warning]))
}

/// Returns the error of a configuration that may not be served on `host`, where others can call.
pub(super) fn refusal(config: &Config, host: IpAddr) -> Option<Finding> {
    if host.is_loopback() || config.general.permit_weak_master_key {
        return None;
    }
    let Weakness { what, .. } = Weakness::of(config)?;
    let place = config.warnings.iter().find(|finding| is_about_it(finding));
    let first = config.files.first().map(|file| file.display().to_string());
    Some(Finding {
        file: place.map_or_else(|| first.unwrap_or_default(), |place| place.file.clone()),
        line: place.map_or(1, |place| place.line),
        column: place.map_or(1, |place| place.column),
        severity: Severity::Error,
        key: KEY.to_owned(),
        message: format!("{what}, and the server listens on {host}, where others can call"),
        hint: Some("set a key of your own, or start again with --host 127.0.0.1".to_owned()),
    })
}

/// Says whether a finding is about the master key, of which the address decides how bad it is.
pub(super) fn is_about_it(finding: &Finding) -> bool {
    finding.key == KEY
}

/// Reads `--host`.
pub(super) fn parse_host(host: &str) -> Result<IpAddr, String> {
    match host {
        "localhost" => Ok(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        _ => host
            .trim_matches(['[', ']'])
            .parse()
            .map_err(|_| "expected an IP address or `localhost`".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{GeneralSettings, Secret, VirtualKeyConfig};

    fn config(key: Option<&str>, virtual_keys: usize) -> Config {
        Config {
            general: GeneralSettings {
                master_key: key.map(Secret::new),
                ..GeneralSettings::default()
            },
            virtual_keys: vec![VirtualKeyConfig::default(); virtual_keys],
            ..Config::default()
        }
    }

    #[test]
    fn only_a_gateway_without_any_key_is_called_open() {
        let said = |config: &Config| host(None, config).unwrap();
        let (address, warnings) = said(&config(Some("sk-long-and-random"), 0));
        assert!(!address.is_loopback() && warnings.is_empty());
        for (key, virtual_keys, begins) in [
            (None, 0, "open: no master key is set; only this machine"),
            (Some(WEAK_KEY), 1, "open: the master key is `sk-1234`"),
            (
                None,
                1,
                "no master key is set; calls need one of the `virtual_keys`",
            ),
        ] {
            let (address, warnings) = said(&config(key, virtual_keys));
            assert!(address.is_loopback(), "{key:?}");
            assert!(warnings[0].starts_with(begins), "{warnings:?}");
        }
    }

    #[test]
    fn what_refuses_to_start_is_what_a_reload_and_the_check_refuse() {
        let addresses = ["127.0.0.1", "::1", "0.0.0.0", "192.0.2.1"];
        for address in addresses.map(|address| address.parse().unwrap()) {
            for (key, virtual_keys) in [
                (None, 0),
                (None, 1),
                (Some(WEAK_KEY), 0),
                (Some("sk-good"), 0),
            ] {
                let config = config(key, virtual_keys);
                let starts = host(Some(address), &config).is_ok();
                assert_eq!(
                    starts,
                    refusal(&config, address).is_none(),
                    "{address} {key:?}"
                );
            }
        }
    }
}
