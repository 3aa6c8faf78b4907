//! The simulator's own clock, and the two date formats AWS uses.
//!
//! The simulator stands apart from the router, so it cannot use the router's clock; this file is the only place here
//! that reads time. Dates are computed with the civil-calendar arithmetic of
//! <https://howardhinnant.github.io/date_algorithms.html>, which saves a dependency.

use std::time::{SystemTime, UNIX_EPOCH};

const SECONDS_PER_DAY: i64 = 86_400;

/// Returns the wall-clock time.
#[expect(
    clippy::disallowed_methods,
    reason = "the simulator is a separate program in spirit: it plays AWS, whose clock nobody sets"
)]
pub(super) fn now() -> SystemTime {
    SystemTime::now()
}

/// Returns whole seconds since 1970.
pub(super) fn unix_seconds(time: SystemTime) -> i64 {
    let elapsed = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(elapsed.as_secs()).unwrap_or(i64::MAX)
}

/// Formats a time as `20260102T030405Z`, the form of `x-amz-date`.
pub(super) fn amz_date(seconds: i64) -> String {
    let (year, month, day) = civil(seconds.div_euclid(SECONDS_PER_DAY));
    let (hour, minute, second) = time_of_day(seconds);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
}

/// Formats a time as `2026-01-02T03:04:05Z`, the form of STS's `Expiration`.
pub(super) fn iso_date(seconds: i64) -> String {
    let (year, month, day) = civil(seconds.div_euclid(SECONDS_PER_DAY));
    let (hour, minute, second) = time_of_day(seconds);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Reads `20260102T030405Z`; anything else is `None`.
pub(super) fn parse_amz_date(text: &str) -> Option<i64> {
    let bytes: &[u8; 16] = text.as_bytes().try_into().ok()?;
    if bytes.get(8) != Some(&b'T') || bytes.get(15) != Some(&b'Z') {
        return None;
    }
    let number = |from: usize, to: usize| -> Option<i64> {
        let digits = text.get(from..to)?;
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        digits.parse().ok()
    };
    let (year, month, day) = (number(0, 4)?, number(4, 6)?, number(6, 8)?);
    let (hour, minute, second) = (number(9, 11)?, number(11, 13)?, number(13, 15)?);
    if !(1..=12).contains(&month)
        || !(1..=31).contains(&day)
        || hour > 23
        || minute > 59
        || second > 60
    {
        return None;
    }
    Some(days_since_epoch(year, month, day) * SECONDS_PER_DAY + hour * 3600 + minute * 60 + second)
}

fn time_of_day(seconds: i64) -> (i64, i64, i64) {
    let rest = seconds.rem_euclid(SECONDS_PER_DAY);
    (rest / 3600, rest / 60 % 60, rest % 60)
}

/// Turns days since 1970-01-01 into year, month and day.
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 {
        month_index + 3
    } else {
        month_index - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_index = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * month_index + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_survive_a_round_trip() {
        for text in [
            "19700101T000000Z",
            "20240229T235959Z",
            "20260102T030405Z",
            "21000301T120000Z",
        ] {
            assert_eq!(amz_date(parse_amz_date(text).unwrap()), text);
        }
        assert_eq!(
            iso_date(parse_amz_date("20260102T030405Z").unwrap()),
            "2026-01-02T03:04:05Z"
        );
    }

    #[test]
    fn other_forms_are_not_dates() {
        for text in [
            "",
            "2026-01-02T03:04",
            "20261302T030405Z",
            "20260102T030405",
            "2026010２T03040Z",
        ] {
            assert_eq!(parse_amz_date(text), None, "{text}");
        }
    }
}
