//! Spans of time as people write them.

use std::time::Duration;

/// `60ms`, `300s` or `5m`: a whole number and its unit.
///
/// # Errors
/// One sentence that says what a duration looks like.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let mistake = || format!("{text:?} is not a duration such as 60ms, 300s or 5m");
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let number: u32 = number.parse().map_err(|_| mistake())?;
    let milliseconds = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        _ => return Err(mistake()),
    };
    Ok(Duration::from_millis(u64::from(number) * milliseconds))
}

/// As [`parse_duration`], and between two bounds.
pub(crate) fn parse_between(text: &str, least: &str, most: &str) -> Result<Duration, String> {
    let duration = parse_duration(text)?;
    if parse_duration(least)? <= duration && duration <= parse_duration(most)? {
        Ok(duration)
    } else {
        Err(format!("{text:?} is not between {least} and {most}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_people_write_them() {
        assert_eq!(parse_duration("60ms"), Ok(Duration::from_millis(60)));
        assert_eq!(parse_duration("300s"), Ok(Duration::from_secs(300)));
        assert_eq!(parse_duration("5m"), Ok(Duration::from_secs(300)));
        assert_eq!(parse_duration("4294967295m"), Ok(Duration::from_secs(60 * 4_294_967_295)));
    }

    #[test]
    fn a_number_without_a_unit_is_not_guessed_at() {
        for text in ["", "60", "ms", "-1s", "1.5s", "60 ms", "60S", "1h30m", "4294967296s", "６s"] {
            assert_eq!(parse_duration(text), Err(format!("{text:?} is not a duration such as 60ms, 300s or 5m")));
        }
    }

    #[test]
    fn bounds_belong_to_what_is_allowed() {
        assert!(parse_between("1s", "1s", "1m").is_ok() && parse_between("60s", "1s", "1m").is_ok());
        assert_eq!(parse_between("61s", "1s", "1m"), Err("\"61s\" is not between 1s and 1m".to_owned()));
    }
}
