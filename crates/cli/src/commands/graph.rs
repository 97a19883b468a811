//! `deepinside graph`.

use deepinside::diagram;
use deepinside::graph::{Graph, described, operations};
use deepinside::printable;
use serde::Serialize;

use crate::arguments::{GraphArguments, GraphFormat};
use crate::failure::Outcome;
use crate::output;

#[derive(Serialize)]
struct Result {
    name: String,
    parameters: usize,
    operations: u64,
    nodes: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    name: String,
    operator: String,
    inputs: Vec<String>,
    outputs: Vec<String>,
    shapes: Vec<Vec<usize>>,
    parameters: usize,
    operations: u64,
}

pub fn run(arguments: &GraphArguments) -> Outcome {
    let endings: &[&str] = match arguments.format {
        GraphFormat::Dot => &["dot", "gv"],
        GraphFormat::Svg => &["svg"],
        GraphFormat::Table => &["txt"],
    };
    arguments.output.as_deref().map_or(Ok(()), |path| output::expect_ending(path, endings))?;
    let model = super::open(&arguments.model, false)?;
    let graph = &model.graph;
    let text = match arguments.format {
        GraphFormat::Dot => diagram::dot(graph),
        GraphFormat::Svg => diagram::svg(graph),
        GraphFormat::Table => {
            let rows = rows(graph);
            if arguments.run.json {
                return output::json(&Result {
                    name: model.name.clone(),
                    parameters: graph.parameters(),
                    operations: rows.iter().map(|row| row.operations).sum(),
                    nodes: rows,
                });
            }
            table(graph, &rows)
        }
    };
    match &arguments.output {
        Some(path) => {
            output::whole_file(path, text.as_bytes())?;
            output::line(path.display());
        }
        None => output::text(&text),
    }
    Ok(())
}

fn rows(graph: &Graph) -> Vec<Row> {
    let names = |values: &[_]| values.iter().map(|&value| graph.value(value).name.clone()).collect();
    let row = |node: &deepinside::graph::Node| {
        let constants = node.inputs.iter().filter_map(|&input| graph.value(input).weights());
        let computed: Vec<_> =
            node.inputs.iter().copied().filter(|&input| graph.value(input).weights().is_none()).collect();
        let shape = |&output: &_| graph.value(output).shape.extents().to_vec();
        Row {
            name: node.name.clone(),
            operator: described(&node.op),
            inputs: names(&computed),
            outputs: names(&node.outputs),
            shapes: node.outputs.iter().map(shape).collect(),
            parameters: constants.map(|weights| weights.shape().elements()).sum(),
            operations: operations(graph, node),
        }
    };
    graph.nodes().iter().map(row).collect()
}

fn table(graph: &Graph, rows: &[Row]) -> String {
    let shapes = |row: &Row| {
        let shape =
            |extents: &Vec<usize>| extents.iter().map(ToString::to_string).collect::<Vec<_>>().join("×");
        row.shapes.iter().map(shape).collect::<Vec<_>>().join(", ")
    };
    let mut lines = vec![["layer", "operator", "shape", "parameters", "operations"].map(str::to_owned)];
    lines.extend(rows.iter().map(|row| {
        [
            printable::one_line(&row.name).into_owned(),
            printable::one_line(&row.operator).into_owned(),
            shapes(row),
            counted(row.parameters as u64),
            counted(row.operations),
        ]
    }));
    let total = rows.iter().map(|row| row.operations).sum();
    lines.push([
        String::new(),
        String::new(),
        "in all".to_owned(),
        counted(graph.parameters() as u64),
        counted(total),
    ]);
    let widths: Vec<usize> =
        (0..5).map(|column| printable::column(lines.iter().map(|line| line[column].as_str()))).collect();
    let padded = |line: &[String; 5]| {
        let [name, operator, shape, parameters, operations] = line;
        format!(
            "{name:<a$}  {operator:<b$}  {shape:<c$}  {parameters:>d$}  {operations:>e$}\n",
            a = widths[0],
            b = widths[1],
            c = widths[2],
            d = widths[3],
            e = widths[4]
        )
    };
    lines.iter().map(padded).collect()
}

/// A count in three digits and a unit, as "3.51 M".
fn counted(count: u64) -> String {
    let units = ["", " k", " M", " G", " T"];
    let mut number = count as f64;
    let mut unit = 0;
    while number >= 999.5 && unit + 1 < units.len() {
        number /= 1000.0;
        unit += 1;
    }
    let decimals = match (unit, number) {
        (0, _) => 0,
        (_, ..9.995) => 2,
        (_, ..99.95) => 1,
        _ => 0,
    };
    format!("{number:.decimals$}{}", units[unit])
}

#[cfg(test)]
mod tests {
    use super::counted;

    #[test]
    fn counts_have_three_digits() {
        let cases = [
            (0, "0"),
            (999, "999"),
            (1000, "1.00 k"),
            (23_456, "23.5 k"),
            (999_600, "1.00 M"),
            (4_089_000_000, "4.09 G"),
        ];
        for (count, expected) in cases {
            assert_eq!(counted(count), expected);
        }
    }
}
