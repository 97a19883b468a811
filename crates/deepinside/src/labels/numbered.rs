//! Class names as text with their numbers: a number before each line's name (Teachable Machine, tables), and the `names` of
//! a data set's description in YAML (Ultralytics).

use std::collections::HashSet;

use super::{is_synset, python, table};

/// The names in the order of their numbers; `None` where the text is neither, as names one a line.
pub(super) fn read(text: &str) -> Option<Vec<String>> {
    let text = text.trim_start_matches('\u{feff}');
    let lines = || text.lines().map(str::trim_end).filter(|line| !line.trim().is_empty());
    if let Some(names) = lines().position(|line| line.starts_with("names:")) {
        return of_yaml(&lines().skip(names).collect::<Vec<_>>());
    }
    let all: Vec<&str> = lines().collect();
    let is_from_zero = || all.iter().any(|line| numbered(line).is_some_and(|(number, _)| number == 0));
    let behind = || by_number(all.iter().map(|line| numbered_behind(line))).filter(|names| are_names(names));
    by_number(all.iter().map(|line| numbered(line)))
        .filter(|names| is_from_zero() || are_names(names))
        .or_else(behind)
        .or_else(|| quoted(&all))
}

/// Whether most differ without their numbers and synsets: of `1 star`, `2 stars`, … and `cluster 0`, `cluster 1`, … the number is the name.
fn are_names(names: &[String]) -> bool {
    let without_synset = |name: &'_ String| match name.split_once(char::is_whitespace) {
        Some((synset, name)) if is_synset(synset) => name.trim().to_owned(),
        _ => name.clone(),
    };
    names.iter().map(without_synset).collect::<HashSet<_>>().len() * 2 > names.len()
}

/// Names that all stand in quotes, with or without a comma behind.
fn quoted(lines: &[&str]) -> Option<Vec<String>> {
    let names = lines.iter().map(|line| {
        let line = line.trim().trim_end_matches(',').trim_end();
        let inside = ['"', '\''].iter().find_map(|quote| line.strip_prefix(*quote)?.strip_suffix(*quote))?;
        Some(inside.to_owned())
    });
    names.collect::<Option<Vec<_>>>().filter(|names| names.len() > 1)
}

/// A line that begins with a number: the number and the rest.
fn numbered(line: &str) -> Option<(usize, String)> {
    let line = line.trim();
    let rest = line.trim_start_matches(|character: char| character.is_ascii_digit());
    let number = line[..line.len() - rest.len()].parse().ok()?;
    // A name may begin with digits: something stands between, and the name is none itself.
    let name = match rest.chars().next()? {
        '.' | ')' => rest[1..].strip_prefix([' ', '\t'])?,
        ':' | ',' | ';' | '=' => &rest[1..],
        ' ' | '\t' => rest.trim_start().strip_prefix("- ").unwrap_or(rest),
        _ => return None,
    };
    let name = name.trim_start_matches([':', ',', '\t', ';', ' ']);
    let name = name.trim().trim_matches(['"', '\'']).trim();
    (!name.is_empty()).then(|| (number, name.to_owned()))
}

/// A line that ends in a number: the number and what stands before.
fn numbered_behind(line: &str) -> Option<(usize, String)> {
    let line = line.trim();
    let name = line.trim_end_matches(|character: char| character.is_ascii_digit());
    let number = line[name.len()..].parse().ok()?;
    let name =
        name.strip_suffix([':', ',', '\t', ';', ' ', '='])?.trim_end_matches([':', ',', '\t', ';', ' ', '=']);
    let name = name.trim().trim_matches(['"', '\'']).trim();
    (!name.is_empty()).then(|| (number, name.to_owned()))
}

/// Names whose numbers are all from 0 on, each once, or from 1 on in their order; a single one might be a name of two words.
fn by_number(rows: impl Iterator<Item = Option<(usize, String)>>) -> Option<Vec<String>> {
    let (numbers, mut names): (Vec<usize>, Vec<String>) =
        rows.collect::<Option<Vec<_>>>()?.into_iter().unzip();
    let order = table::positions(&numbers)?;
    Some(order.into_iter().map(|row| std::mem::take(&mut names[row])).collect())
}

/// The lines from `names:` on: a list or a table behind it, or in lines of their own.
fn of_yaml(lines: &[&str]) -> Option<Vec<String>> {
    let unquoted = |name: &str| name.trim().trim_matches(['"', '\'']).trim().to_owned();
    let behind = lines[0]["names:".len()..].trim();
    if let Some(list) = behind.strip_prefix('[') {
        // A long list goes on in further lines.
        let whole = std::iter::once(list).chain(lines[1..].iter().copied()).collect::<Vec<_>>().join(" ");
        // Names in quotes may hold commas and brackets.
        let ends = whole.match_indices(']').map(|(end, _)| end);
        let all_quoted = ends.take(64).find_map(|end| python::literal(&format!("[{}]", &whole[..end])));
        if let Some(serde_json::Value::Array(list)) = all_quoted {
            let names = list.iter().map(|name| name.as_str().map(str::to_owned));
            return names.collect::<Option<Vec<_>>>();
        }
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
            "0. ant\n1. sea bee\n2. cat\n",
            "0) ant\n1) sea bee\n2) cat\n",
            "0=ant\n1=sea bee\n2=cat\n",
            "0 - ant\n1 - sea bee\n2 - cat\n",
            "1 ant\n2 sea bee\n3 cat\n",
            "ant 0\nsea bee 1\ncat 2\n",
            "cat: 2\nant: 0\nsea bee: 1\n",
            "\"ant\"\n\"sea bee\"\n\"cat\"\n",
            "'ant',\n'sea bee',\n'cat',\n",
            "names: [\"ant\", 'sea bee', \"cat\"]  # all\n",
            "path: x\nnc: 3\nnames:\n  0: ant\n  1: sea bee  # rare\n  2: cat\ntrain: y\n",
            "names: ['ant', \"sea bee\", cat]\nnc: 3\n",
            "names: [ant,\n  sea bee, cat]\n",
            "names: {0: ant, 1: sea bee, 2: cat}\n",
            "nc: 3\nnames:\n- ant\n- sea bee\n- cat\n",
        ] {
            assert_eq!(read(text), Some(expected.clone()), "{text}");
        }
    }

    /// A comma inside of quotes parted a name in two.
    #[test]
    fn quoted_names_may_hold_commas() {
        let names = read("nc: 2\nnames: [\"dog, hound\", 'a [b]']\n").unwrap();
        assert_eq!(names, ["dog, hound", "a [b]"]);
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
            "boeing 737\nboeing 747\n",
            "0.5 mm\n1.5 mm\n",
            "\"ant\"\nbee\n",
            "2 ant\n1 bee\n",
            "1 star\n2 stars\n3 stars\n4 stars\n",
            "cluster 0\ncluster 1\ncluster 2\n",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
