//! Numbers of bytes as people read them.

/// `300 bytes`, `1.5 kB`, `64 MB`, `2.15 GB`: three digits at most, in the decimal units of file managers.
pub fn readable(bytes: u64) -> String {
    let (unit, name) = match bytes {
        0..1_000 => return format!("{bytes} bytes"),
        1_000..999_500 => (1e3, "kB"),
        999_500..999_500_000 => (1e6, "MB"),
        _ => (1e9, "GB"),
    };
    let number = bytes as f64 / unit;
    let digits = (2 - number.log10().floor() as i32).max(0) as usize;
    let text = format!("{number:.digits$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text} {name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_said_in_units_that_people_know() {
        let cases = [
            (0, "0 bytes"),
            (999, "999 bytes"),
            (1_000, "1 kB"),
            (1_536, "1.54 kB"),
            (999_499, "999 kB"),
            (999_500, "1 MB"),
            (16 << 20, "16.8 MB"),
            (67_108_864, "67.1 MB"),
            (2_147_483_648, "2.15 GB"),
        ];
        for (bytes, expected) in cases {
            assert_eq!(readable(bytes), expected);
        }
    }
}
