//! Time spans (`7d`) and points in time (`2027-01-31T00:00:00Z`), as they are written.

use std::time::{Duration, SystemTime};

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;

use super::raw::Kind;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// A thousand years: anything longer is a slip of the pen.
const LONGEST: u64 = 365_000 * DAY;

/// Reads a time span: a whole number of seconds, minutes, hours, days, weeks or months of 30 days; or a word.
pub(super) fn parse(text: &str) -> Option<Duration> {
    let text = text.trim().to_ascii_lowercase();
    let seconds = match text.as_str() {
        "daily" => DAY,
        "weekly" => 7 * DAY,
        "monthly" => 30 * DAY,
        _ => {
            let split = text.find(|char: char| !char.is_ascii_digit())?;
            let (number, unit) = text.split_at_checked(split)?;
            let unit = match unit {
                "s" => 1,
                "m" => MINUTE,
                "h" => HOUR,
                "d" => DAY,
                "w" => 7 * DAY,
                "mo" => 30 * DAY,
                _ => return None,
            };
            number.parse::<u64>().ok()?.checked_mul(unit)?
        }
    };
    (1..=LONGEST)
        .contains(&seconds)
        .then(|| Duration::from_secs(seconds))
}

/// Reads a point in time; a day is its beginning in UTC.
pub(super) fn time(text: &str) -> Option<SystemTime> {
    let text = text.trim();
    let whole = if text.len() == "2027-01-31".len() {
        format!("{text}T00:00:00Z")
    } else {
        text.to_owned()
    };
    let time = DateTime::from_str(&whole, Format::DateTimeWithOffset).ok()?;
    SystemTime::try_from(time).ok()
}

/// Says whether a text is what its kind wants.
pub(super) fn fits(kind: &Kind, text: &str) -> bool {
    match kind {
        Kind::Time => time(text).is_some(),
        _ => parse(text).is_some(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_numbers_with_a_unit_or_words() {
        for (text, seconds) in [
            ("30s", 30),
            ("15m", 900),
            ("2h", 7200),
            ("7d", 604_800),
            ("2w", 1_209_600),
            ("1mo", 2_592_000),
            ("daily", 86_400),
            ("Weekly", 604_800),
            ("monthly", 2_592_000),
        ] {
            assert_eq!(parse(text), Some(Duration::from_secs(seconds)), "{text}");
        }
        for text in [
            "",
            "30",
            "s",
            "0s",
            "-1d",
            "1.5h",
            "1y",
            "99999999999999d",
            "9999999999mo",
            "1ö",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn points_in_time_have_an_offset_or_are_days() {
        let at = |seconds| Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(time("2027-01-31T00:00:00Z"), at(1_801_353_600));
        assert_eq!(time("2027-01-31T01:00:00+01:00"), at(1_801_353_600));
        assert_eq!(time("2027-01-31"), at(1_801_353_600));
        for text in [
            "",
            "tomorrow",
            "2027-13-01",
            "2027-01-31T00:00:00",
            "ääääää",
        ] {
            assert_eq!(time(text), None, "{text}");
        }
    }
}
