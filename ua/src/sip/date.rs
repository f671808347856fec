//! Date and Timestamp (RFC 3261 sections 20.17 and 20.38): when a message was sent.

use std::fmt;
use std::time::Duration;

use super::error::SipError;
use super::headers::Headers;
use super::scan;

/// `rfc1123-date`: a second of the Gregorian calendar, in GMT.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SipDate {
    year: u16,
    /// From 1 to 12.
    month: u8,
    /// From 1 on.
    day: u8,
    hour: u8,
    minute: u8,
    second: u8,
}

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

impl SipDate {
    /// Seconds since the beginning of 1970, in GMT; negative before.
    pub fn unix_seconds(self) -> i64 {
        let time = [self.hour, self.minute, self.second].iter().fold(0, |sum, part| sum * 60 + i64::from(*part));
        self.day_number() * 86_400 + time
    }

    /// Days since the beginning of 1970.
    fn day_number(self) -> i64 {
        let year = i64::from(self.year);
        let leap_days = |year: i64| year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
        let before: i64 = (1..self.month).map(|month| i64::from(length(self.year, month))).sum();
        (year - 1970) * 365 + leap_days(year - 1) - leap_days(1969) + before + i64::from(self.day) - 1
    }

    /// From 0, which is Monday. The first day of 1970 was a Thursday.
    fn weekday(self) -> usize {
        (self.day_number() + 3).rem_euclid(7) as usize
    }

    /// `wkday "," SP 2DIGIT SP month SP 4DIGIT SP time SP "GMT"`: letters have their case, blanks are single.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        const MALFORMED: &str = "it is not a date in GMT as RFC 1123 writes it";
        let (weekday, rest) = text.split_once(", ").ok_or(MALFORMED)?;
        let parts: Vec<_> = rest.split(' ').collect();
        let [day, month, year, time, "GMT"] = parts[..] else { return Err(MALFORMED) };
        let digits = |text: &str, count| Some(text).filter(|t| t.len() == count).and_then(scan::number::<u16>);
        let two = |text: &str| digits(text, 2).and_then(|number| u8::try_from(number).ok());
        let month = MONTHS.iter().position(|name| *name == month).map(|at| at as u8 + 1).ok_or(MALFORMED)?;
        let times: Vec<_> = time.split(':').map(two).collect();
        let [Some(hour), Some(minute), Some(second)] = times[..] else { return Err(MALFORMED) };
        let (Some(day), Some(year)) = (two(day), digits(year, 4)) else { return Err(MALFORMED) };
        let is_real = (1..=length(year, month)).contains(&day) && hour < 24 && minute < 60 && second < 60;
        let date = Self { year, month, day, hour, minute, second };
        match is_real && DAYS[date.weekday()] == weekday {
            true => Ok(date),
            false => Err("there is no such day or time"),
        }
    }
}

/// The days of a month.
fn length(year: u16, month: u8) -> u8 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

super::error::header_text!(SipDate, "Date");

impl fmt::Display for SipDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { year, month, day, hour, minute, second } = self;
        let (weekday, month) = (DAYS[self.weekday()], MONTHS[usize::from(*month) - 1]);
        write!(f, "{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT")
    }
}

/// When a message was sent.
impl Headers {
    /// When the message was first sent (RFC 3261 section 20.17).
    pub fn date(&self) -> Result<Option<SipDate>, SipError> {
        self.one("Date", SipDate::parse)
    }

    /// What a client's clock said when it sent the request, and how long the server took (RFC 3261 section 20.38).
    pub fn timestamp(&self) -> Result<Option<(Duration, Duration)>, SipError> {
        self.one("Timestamp", |text| {
            let (sent, delay) = text.split_once(scan::is_blank).unwrap_or((text, "0"));
            let both = (decimal(sent, false), decimal(delay.trim_matches(scan::is_blank), true));
            both.0.zip(both.1).ok_or("it is not one or two numbers of seconds")
        })
    }
}

/// `1*DIGIT ["." *DIGIT]`, or without a whole part if `bare`; below 2^32, to the nanosecond.
fn decimal(text: &str, bare: bool) -> Option<Duration> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let whole = if bare && whole.is_empty() { "0" } else { whole };
    let seconds = scan::number::<u32>(whole)?;
    let nanos = part.bytes().all(|b| b.is_ascii_digit()).then(|| format!("{:0<9}", &part[..part.len().min(9)]))?;
    Some(Duration::new(seconds.into(), nanos.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_read_as_it_was_written() {
        // RFC 3261 section 20.17; then the turns of leap years.
        for (text, unix) in [
            ("Sat, 13 Nov 2010 23:29:00 GMT", 1_289_690_940),
            ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
            ("Wed, 31 Dec 1969 23:59:59 GMT", -1),
            ("Tue, 29 Feb 2000 12:00:00 GMT", 951_825_600),
            ("Mon, 01 Mar 2100 00:00:00 GMT", 4_107_542_400),
            ("Sat, 01 Jan 0000 00:00:00 GMT", -62_167_219_200),
        ] {
            let date = SipDate::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!((date.to_string().as_str(), date.unix_seconds()), (text, unix));
        }
    }

    #[test]
    fn other_zones_and_impossible_days_are_refused() {
        for bad in [
            "",
            "Fri, 01 Jan 2010 16:00:00 EST", // baddate of RFC 4475 section 3.1.2.12
            "Fri, 01 Jan 2010 16:00:00 UTC",
            "Sat, 01 Jan 2010 16:00:00 GMT",
            "Mon, 29 Feb 2100 00:00:00 GMT",
            "Fri, 1 Jan 2010 16:00:00 GMT",
            "Fri, 01 Jan 2010 24:00:00 GMT",
            "Fri, 01  Jan 2010 16:00:00 GMT",
            "fri, 01 Jan 2010 16:00:00 GMT",
            "Fri, 01 Jan 2010 16:00 GMT",
        ] {
            assert!(SipDate::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_timestamp_may_have_decimals_and_a_delay() {
        let read = |text: &str| {
            let mut headers = Headers::new();
            headers.push("Timestamp", text);
            headers.timestamp()
        };
        let ms = Duration::from_millis;
        assert_eq!(read("54"), Ok(Some((ms(54_000), ms(0)))));
        assert_eq!(read("54.5  .25"), Ok(Some((ms(54_500), ms(250)))));
        for bad in ["", "x", ".5", "1.x", "1 x", "4294967296", "-1"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
