//! `20260102T030405Z`: the one form in which signatures write time.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::clock::civil_date;

/// A point in time in the form that signatures use, in whole seconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timestamp {
    time: SystemTime,
    text: [u8; 16],
}

impl Timestamp {
    /// Formats a time; one before 1970 is taken as 1970.
    pub(super) fn new(time: SystemTime) -> Self {
        let seconds = time
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs());
        let (year, month, day) = civil_date(seconds / 86_400);
        let second_of_day = seconds % 86_400;
        let mut text = *b"00000000T000000Z";
        let fields = [
            (0..4, year),
            (4..6, month),
            (6..8, day),
            (9..11, second_of_day / 3600),
            (11..13, second_of_day / 60 % 60),
            (13..15, second_of_day % 60),
        ];
        for (place, mut value) in fields {
            for digit in text.get_mut(place).unwrap_or_default().iter_mut().rev() {
                *digit = b'0' + u8::try_from(value % 10).unwrap_or_default();
                value /= 10;
            }
        }
        Self { time, text }
    }

    /// Returns the time that was formatted.
    pub(super) fn time(&self) -> SystemTime {
        self.time
    }

    /// Returns the whole form.
    pub(super) fn text(&self) -> &str {
        std::str::from_utf8(&self.text).unwrap_or_default()
    }

    /// Returns the day, `20260102`.
    pub(super) fn day(&self) -> [u8; 8] {
        let mut day = [b'0'; 8];
        day.copy_from_slice(self.text.get(..8).unwrap_or(b"19700101"));
        day
    }

    /// Returns the day as text.
    pub(super) fn day_text(&self) -> &str {
        self.text().get(..8).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn text(seconds: u64) -> String {
        Timestamp::new(UNIX_EPOCH + Duration::from_secs(seconds))
            .text()
            .to_owned()
    }

    #[test]
    fn dates_are_right_around_leap_days() {
        assert_eq!(text(0), "19700101T000000Z");
        assert_eq!(text(951_782_400), "20000229T000000Z");
        assert_eq!(text(951_868_799), "20000229T235959Z");
        assert_eq!(text(951_868_800), "20000301T000000Z");
        assert_eq!(text(1_735_689_599), "20241231T235959Z");
        assert_eq!(text(1_767_323_045), "20260102T030405Z");
        assert_eq!(text(4_107_542_400), "21000301T000000Z");
    }

    #[test]
    fn time_before_1970_is_1970() {
        let before = UNIX_EPOCH - Duration::from_secs(1);
        assert_eq!(Timestamp::new(before).text(), "19700101T000000Z");
    }
}
