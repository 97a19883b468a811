//! Class names as text with their numbers: a number before each line's name (Teachable Machine, tables), and the `names` of
//! a data set's description in YAML (Ultralytics).

use std::collections::BTreeMap;

/// The names in the order of their numbers; `None` where the text is neither, as names one a line.
pub(super) fn read(text: &str) -> Option<Vec<String>> {
    let text = text.trim_start_matches('\u{feff}');
    let lines = || text.lines().map(str::trim_end).filter(|line| !line.trim().is_empty());
    if let Some(names) = lines().position(|line| line.starts_with("names:")) {
        return of_yaml(&lines().skip(names).collect::<Vec<_>>());
    }
    let all: Vec<&str> = lines().collect();
    // The first line of a table may say what its columns are.
    let is_heading = |line: &str| {
        let first = line.split([',', '\t', ';']).next().unwrap_or_default().trim().to_ascii_lowercase();
        first.len() < line.len()
            && ["id", "index", "class_id", "class", "label", "number", ""].contains(&first.as_str())
    };
    let rows = if all.first().is_some_and(|line| is_heading(line)) { &all[1..] } else { &all[..] };
    by_number(rows.iter().map(|line| numbered(line)))
}

/// A line that begins with a number: the number and the rest.
fn numbered(line: &str) -> Option<(usize, String)> {
    let line = line.trim();
    let rest = line.trim_start_matches(|character: char| character.is_ascii_digit());
    let number = line[..line.len() - rest.len()].parse().ok()?;
    // A name may begin with digits: something stands between, and the name is none itself.
    if !rest.starts_with([':', ',', '\t', ';', ' ']) {
        return None;
    }
    let name = rest.trim_start_matches([':', ',', '\t', ';', ' ']);
    let name = name.trim().trim_matches(['"', '\'']).trim();
    (!name.is_empty()).then(|| (number, name.to_owned()))
}

/// Names whose numbers are all from 0 on, each once; a single one might be a name of two words.
fn by_number(rows: impl Iterator<Item = Option<(usize, String)>>) -> Option<Vec<String>> {
    let mut count = 0;
    let names: BTreeMap<usize, String> = rows.inspect(|_| count += 1).collect::<Option<_>>()?;
    let is_whole =
        names.len() == count && count > 1 && names.keys().enumerate().all(|(index, key)| index == *key);
    is_whole.then(|| names.into_values().collect())
}

/// The lines from `names:` on: a list or a table behind it, or in lines of their own.
fn of_yaml(lines: &[&str]) -> Option<Vec<String>> {
    let unquoted = |name: &str| name.trim().trim_matches(['"', '\'']).trim().to_owned();
    let behind = lines[0]["names:".len()..].trim();
    if let Some(list) = behind.strip_prefix('[') {
        // A long list goes on in further lines.
        let whole = std::iter::once(list).chain(lines[1..].iter().copied()).collect::<Vec<_>>().join(" ");
        let list = &whole[..whole.find(']')?];
        return Some(list.split(',').map(unquoted).filter(|name| !name.is_empty()).collect());
    }
    if let Some(table) = behind.strip_prefix('{') {
        let whole = std::iter::once(table).chain(lines[1..].iter().copied()).collect::<Vec<_>>().join(" ");
        return by_number(whole[..whole.find('}')?].split(',').map(numbered));
    }
    if !behind.is_empty() && !behind.starts_with('#') {
        return None;
    }
    let without_comment = |line: &str| line.split(" #").next().unwrap_or_default().trim().to_owned();
    let block: Vec<String> = lines[1..]
        .iter()
        .take_while(|line| line.starts_with([' ', '\t', '-']))
        .map(|line| without_comment(line))
        .collect();
    if block.iter().all(|line| line.starts_with('-')) {
        let names: Vec<String> = block.iter().map(|line| unquoted(&line[1..])).collect();
        return (!names.is_empty()).then_some(names);
    }
    by_number(block.iter().map(|line| numbered(line)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_before_names_are_no_part_of_them() {
        let expected = ["ant", "sea bee", "cat"].map(str::to_owned).to_vec();
        for text in [
            "0 ant\n1 sea bee\n2 cat\n",
            "0: ant\n1: sea bee\n2: cat",
            "2\tcat\n0\tant\r\n1\tsea bee\n\n",
            "\u{feff}index,name\n0,ant\n1,\"sea bee\"\n2,cat\n",
            "path: x\nnc: 3\nnames:\n  0: ant\n  1: sea bee  # rare\n  2: cat\ntrain: y\n",
            "names: ['ant', \"sea bee\", cat]\nnc: 3\n",
            "names: [ant,\n  sea bee, cat]\n",
            "names: {0: ant, 1: sea bee, 2: cat}\n",
            "nc: 3\nnames:\n- ant\n- sea bee\n- cat\n",
        ] {
            assert_eq!(read(text), Some(expected.clone()), "{text}");
        }
    }

    #[test]
    fn names_that_hold_numbers_stay_what_they_are() {
        for text in [
            "1 series\n3 series\n5 series",
            "ant\nbee",
            "0\n1\n2",
            "7up\n8 ball",
            "0 ant",
            "names\nof\nthings",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
