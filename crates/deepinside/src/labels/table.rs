//! Tables of class names: rows of fields between commas, semicolons or tabulators, some in quotes, with or without a heading.
//!
//! A name may hold a comma itself (`tench, Tinca tinca`), so that rows count as a table only where something tells: a column with
//! every number from 0 (or, in their order, from 1), a column of synsets, or a heading of known words.

use crate::Label;
use crate::labels::is_synset;

/// Headings of a column with names, the best first, and of one with their numbers.
const NAMES: &[&str] = &[
    "display_name",
    "class_name",
    "classname",
    "label_name",
    "labelname",
    "name",
    "class",
    "label",
    "category",
    "title",
    "species",
    "breed",
    "description",
    "words",
];
const NUMBERS: &[&str] = &[
    "index",
    "id",
    "idx",
    "class_id",
    "classid",
    "class_index",
    "label_id",
    "number",
    "no",
    "target",
    "label",
    "class",
    "",
];

/// The classes of a table; `None` where the text is none.
pub(super) fn read(text: &str) -> Option<Vec<Label>> {
    [',', '\t', ';'].into_iter().find_map(|separator| {
        let lines = text.lines().filter(|line| !line.trim().is_empty());
        let rows: Vec<Vec<String>> = lines.map(|line| fields(line, separator)).collect::<Option<_>>()?;
        of_rows(&rows)
    })
}

fn of_rows(rows: &[Vec<String>]) -> Option<Vec<Label>> {
    let columns = rows.first()?.len();
    if rows.len() < 2 || rows.iter().any(|row| row.len() != columns) {
        return None;
    }
    let words: Vec<String> =
        rows[0].iter().map(|field| field.to_lowercase().replace([' ', '-'], "_")).collect();
    let is_heading = words.iter().any(|word| NAMES.contains(&word.as_str()))
        && words.iter().all(|word| word.parse::<u64>().is_err() && !is_synset(word));
    if columns == 1 {
        // One column is a table only where it says so.
        return (is_heading && rows.len() > 2 && words[0] != "class" && words[0] != "words")
            .then(|| rows[1..].iter().map(|row| Label { synset: None, name: row[0].clone() }).collect());
    }
    // A first row that is none of a table of numbers is its heading, whatever its words are.
    let unknown_heading =
        |column: usize| rows[0][column].parse::<u64>().is_err() && order(&rows[1..], column).is_some();
    let is_heading = is_heading || (0..columns).any(unknown_heading);
    let rows = if is_heading { &rows[1..] } else { rows };
    let by_name = |known: &[&str]| {
        known.iter().filter(|_| is_heading).find_map(|known| words.iter().position(|word| word == known))
    };
    let numbered: Vec<usize> = (0..columns).filter(|&column| order(rows, column).is_some()).collect();
    let number = by_name(NUMBERS).filter(|column| numbered.contains(column)).or(numbered.first().copied());
    let synsets = (0..columns).find(|&column| rows.iter().all(|row| is_synset(&row[column])));
    if number.is_none() && synsets.is_none() && !is_heading {
        return None;
    }
    let is_free = |column: usize| Some(column) != number && Some(column) != synsets;
    let named = NAMES
        .iter()
        .filter(|_| is_heading)
        .find_map(|name| words.iter().position(|word| word == name).filter(|&column| is_free(column)));
    // Without a heading, what stands behind a number or a synset may be one name with commas.
    let told = usize::from(number.is_some()) + usize::from(synsets.is_some());
    if !is_heading && columns > told + 1 {
        return None;
    }
    let column =
        named.or_else(|| (0..columns).find(|&column| is_free(column) && !numbered.contains(&column)))?;
    let order = match number {
        Some(number) => order(rows, number)?,
        None => (0..rows.len()).collect(),
    };
    let label =
        |row: &Vec<String>| Label { synset: synsets.map(|at| row[at].clone()), name: row[column].clone() };
    let labels: Vec<Label> = order.into_iter().map(|row| label(&rows[row])).collect();
    labels.iter().all(|label| !label.name.is_empty()).then_some(labels)
}

/// Which row each class stands in, where a column holds every number from 0 once, or those from 1 in their order.
fn order(rows: &[Vec<String>], column: usize) -> Option<Vec<usize>> {
    let numbers: Vec<usize> = rows.iter().map(|row| row[column].parse().ok()).collect::<Option<_>>()?;
    positions(&numbers)
}

/// Where each class stands among numbered ones: every number from 0 once, or those from 1 on in their order.
pub(super) fn positions(numbers: &[usize]) -> Option<Vec<usize>> {
    if numbers.len() > 1 && numbers.iter().enumerate().all(|(index, number)| index + 1 == *number) {
        return Some((0..numbers.len()).collect());
    }
    let mut places = vec![None; numbers.len()];
    for (row, &number) in numbers.iter().enumerate() {
        let place = places.get_mut(number)?;
        if place.replace(row).is_some() {
            return None;
        }
    }
    places.into_iter().collect::<Option<Vec<_>>>().filter(|places| places.len() > 1)
}

/// The fields of a row; a quote inside of quotes is written twice. `None` where a quote is left open.
fn fields(line: &str, separator: char) -> Option<Vec<String>> {
    let mut fields = Vec::new();
    let mut rest = line;
    loop {
        let field = rest.trim_start_matches(' ');
        if let Some(mut quoted) = field.strip_prefix('"') {
            let mut text = String::new();
            loop {
                let end = quoted.find('"')?;
                text.push_str(&quoted[..end]);
                quoted = &quoted[end + 1..];
                match quoted.strip_prefix('"') {
                    Some(more) => {
                        text.push('"');
                        quoted = more;
                    }
                    None => break,
                }
            }
            fields.push(text.trim().to_owned());
            rest = match quoted.trim_start_matches(' ') {
                "" => return Some(fields),
                behind => behind.strip_prefix(separator)?,
            };
        } else {
            match rest.split_once(separator) {
                Some((field, behind)) => {
                    fields.push(field.trim().to_owned());
                    rest = behind;
                }
                None => {
                    fields.push(rest.trim().to_owned());
                    return Some(fields);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_give_the_names_in_the_order_of_their_numbers() {
        let expected = ["ant", "dog, hound", "cat"];
        for text in [
            "index,name\n0,ant\n1,\"dog, hound\"\n2,cat\n",
            "name,index\ncat,2\nant,0\n\"dog, hound\",1\n",
            "ClassId,Name\n0,ant\n1,\"dog, hound\"\n2,cat\n",
            "id;species\n1;ant\n2;dog, hound\n3;cat\n",
            "index,name,description\n0,ant,a1\n1,\"dog, hound\",a2\n2,cat,\"a, 3\"\n",
            "cat\t2\nant\t0\ndog, hound\t1\n",
            "0\tant\n1\tdog, hound\n2\tcat\n",
            "\"0\",\"ant\"\n\"1\",\"dog, hound\"\n\"2\",\"cat\"\n",
            "Class Name\nant\n\"dog, hound\"\ncat\n",
            "label,colour,name\n0,red,ant\n1,blue,\"dog, hound\"\n2,red,cat\n",
        ] {
            let names: Option<Vec<String>> =
                read(text).map(|labels| labels.into_iter().map(|label| label.name).collect());
            assert_eq!(names.as_deref(), Some(&expected.map(str::to_owned)[..]), "{text}");
        }
        let synsets = read("n00000001,ant\nn00000002,\"dog, hound\"\n").unwrap();
        assert_eq!((synsets[1].synset.as_deref(), &synsets[1].name[..]), (Some("n00000002"), "dog, hound"));
    }

    #[test]
    fn names_with_commas_are_no_tables() {
        for text in [
            "tench, Tinca tinca\ngoldfish, Carassius auratus\n",
            "ant\nbee\ncat\n",
            "name\nbee\n",
            "class\nbee\ncat\n",
            "7,5\n8,2\n",
            "n01440764 tench, Tinca tinca\nn01443537 goldfish, Carassius auratus\n",
            "0,0\n1,1\n",
            "0,tench, Tinca tinca\n1,goldfish, Carassius auratus\n",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
