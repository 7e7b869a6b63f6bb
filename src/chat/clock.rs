//! `strftime` for templates that write a date, on a time that the caller gives.

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];
const SECONDS_PER_DAY: i64 = 86_400;

/// `seconds` since 1970 in the form of `format`; a directive that is not known stays as it is.
pub(super) fn strftime(seconds: i64, format: &str) -> String {
    let days = seconds.div_euclid(SECONDS_PER_DAY);
    let clock = seconds.rem_euclid(SECONDS_PER_DAY);
    let (year, month, day) = civil(days);
    let day_of_year = days - days_before(year) + 1;
    let weekday = (days + 4).rem_euclid(7) as usize;
    let (hour, minute, second) = (clock / 3600, clock / 60 % 60, clock % 60);
    let month_name = MONTHS[month as usize - 1];

    let mut out = String::new();
    let mut chars = format.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let directive = chars.next();
        let plain = directive == Some('-');
        let directive = if plain { chars.next() } else { directive };
        let number = |value: i64, width: usize| {
            let width = if plain { 0 } else { width };
            format!("{value:0width$}")
        };
        out.push_str(&match directive {
            Some('Y') => number(year, 4),
            Some('y') => number(year.rem_euclid(100), 2),
            Some('m') => number(month, 2),
            Some('d') => number(day, 2),
            Some('j') => number(day_of_year, 3),
            Some('H') => number(hour, 2),
            Some('I') => number((hour + 11) % 12 + 1, 2),
            Some('M') => number(minute, 2),
            Some('S') => number(second, 2),
            Some('p') => if hour < 12 { "AM" } else { "PM" }.into(),
            Some('B') => month_name.into(),
            Some('b' | 'h') => month_name[..3].into(),
            Some('A') => DAYS[weekday].into(),
            Some('a') => DAYS[weekday][..3].into(),
            Some('w') => weekday.to_string(),
            Some('F') => format!("{year:04}-{month:02}-{day:02}"),
            Some('T') => format!("{hour:02}:{minute:02}:{second:02}"),
            Some('%') => "%".into(),
            Some(other) => format!("%{}{other}", if plain { "-" } else { "" }),
            None => "%".into(),
        });
    }
    out
}

fn is_leap(year: i64) -> bool {
    year.rem_euclid(4) == 0 && (year.rem_euclid(100) != 0 || year.rem_euclid(400) == 0)
}

/// Days from 1970-01-01 to the first of January of `year`.
fn days_before(year: i64) -> i64 {
    let y = year - 1;
    365 * (year - 1970) + (y.div_euclid(4) - 492) - (y.div_euclid(100) - 19)
        + (y.div_euclid(400) - 4)
}

/// Year, month and day of a day counted from 1970-01-01.
fn civil(days: i64) -> (i64, i64, i64) {
    // 400 years have 146,097 days, so the guess is at most one year off.
    let mut year = 1970 + days.div_euclid(146_097) * 400 + days.rem_euclid(146_097) / 366;
    while days_before(year + 1) <= days {
        year += 1;
    }
    let mut day = days - days_before(year);
    let february = if is_leap(year) { 29 } else { 28 };
    let lengths = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while day >= lengths[month] {
        day -= lengths[month];
        month += 1;
    }
    (year, month as i64 + 1, day + 1)
}

#[cfg(test)]
mod tests {
    use super::strftime;

    #[test]
    fn writes_dates_as_c_does() {
        for (seconds, expected) in [
            (0, "1970-01-01 00:00:00 Thu 001"),
            (951_782_400, "2000-02-29 00:00:00 Tue 060"),
            (1_735_689_599, "2024-12-31 23:59:59 Tue 366"),
            (1_735_689_600, "2025-01-01 00:00:00 Wed 001"),
            (4_107_542_400, "2100-03-01 00:00:00 Mon 060"),
            (-1, "1969-12-31 23:59:59 Wed 365"),
            (-62_135_596_800, "0001-01-01 00:00:00 Mon 001"),
        ] {
            assert_eq!(strftime(seconds, "%Y-%m-%d %H:%M:%S %a %j"), expected);
        }
        assert_eq!(
            strftime(1_721_952_000, "%d %b %Y, %-d %B %y %I%p%%%q%"),
            "26 Jul 2024, 26 July 24 12AM%%q%"
        );
    }
}
