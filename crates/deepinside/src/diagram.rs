//! Drawings of a network: for Graphviz, and as a picture of its own.

use std::collections::HashMap;
use std::fmt::Write;

use deepinside_graph::{Graph, Node, Op, ValueId, described};

use crate::printable::{markup, one_line};

/// What is drawn: inputs first, then nodes, with the lines between them.
struct Diagram {
    boxes: Vec<DiagramBox>,
    /// From box to box.
    lines: Vec<(usize, usize)>,
}

struct DiagramBox {
    name: String,
    operator: String,
    shape: String,
    colour: &'static str,
}

impl Diagram {
    fn of(graph: &Graph) -> Self {
        let mut boxes = Vec::new();
        let mut makers: HashMap<ValueId, usize> = HashMap::new();
        for &input in graph.inputs() {
            let value = graph.value(input);
            makers.insert(input, boxes.len());
            boxes.push(DiagramBox {
                name: value.name.clone(),
                operator: "input".to_owned(),
                shape: value.shape.to_string(),
                colour: "#ffffff",
            });
        }
        let mut lines = Vec::new();
        for node in graph.nodes() {
            for input in &node.inputs {
                if let Some(&maker) = makers.get(input) {
                    lines.push((maker, boxes.len()));
                }
            }
            let shapes = node.outputs.iter().map(|&output| graph.value(output).shape.to_string());
            makers.extend(node.outputs.iter().map(|&output| (output, boxes.len())));
            boxes.push(DiagramBox {
                name: node.name.clone(),
                operator: described(&node.op),
                shape: shapes.collect::<Vec<_>>().join(", "),
                colour: colour(node),
            });
        }
        lines.dedup();
        Self { boxes, lines }
    }
}

/// One colour for each kind of work, light enough for black text.
fn colour(node: &Node) -> &'static str {
    match node.op {
        Op::Convolution(_) | Op::Deconvolution(_) => "#cfe3f7",
        Op::InnerProduct(_) | Op::MatrixProduct(_) => "#d9d2f0",
        Op::Pool(_) | Op::Reduce(_) => "#d5ecd0",
        Op::BatchNormalization(_) | Op::LocalResponseNormalization(_) | Op::MeanVarianceNormalization(_) => {
            "#fdebc8"
        }
        Op::Unary(_) | Op::ParametricRelu(_) | Op::Softmax(_) | Op::LogSoftmax(_) => "#f9d8d6",
        Op::Eltwise(_) | Op::Binary(_) | Op::Select(_) | Op::Concat(_) => "#e3e3e3",
        _ => "#f5f5f5",
    }
}

/// The network in Graphviz's language: `dot -Tpdf` draws it.
pub fn dot(graph: &Graph) -> String {
    let diagram = Diagram::of(graph);
    let mut text = String::from(
        "digraph network {\n  node [shape=box style=\"rounded,filled\" fontname=\"sans-serif\" fontsize=10];\n",
    );
    for (index, DiagramBox { name, operator, shape, colour }) in diagram.boxes.iter().enumerate() {
        let label = [name, operator, shape]
            .map(|line| one_line(line).replace('\\', "\\\\").replace('"', "\\\""))
            .join("\\n");
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  n{index} [label=\"{label}\" fillcolor=\"{colour}\"];");
    }
    for (from, to) in &diagram.lines {
        let _ = writeln!(text, "  n{from} -> n{to};");
    }
    text.push_str("}\n");
    text
}

const BOX: [f64; 2] = [230.0, 46.0];
const GAP: [f64; 2] = [24.0, 26.0];

/// The network as a picture in SVG: every box stands below those that it reads.
pub fn svg(graph: &Graph) -> String {
    let diagram = Diagram::of(graph);
    let (rows, places) = arrange(&diagram);
    let widest = rows.iter().map(Vec::len).max().unwrap_or(0) as f64;
    // Lines that pass other boxes swing out at the right.
    let margin = 90.0;
    let width = widest * (BOX[0] + GAP[0]) + GAP[0] + margin;
    let height = rows.len() as f64 * (BOX[1] + GAP[1]) + GAP[1];
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" \
         height=\"{height:.0}\" font-family=\"DejaVu Sans, sans-serif\" font-size=\"11\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    for &(from, to) in &diagram.lines {
        let _ = writeln!(
            text,
            "<path d=\"{}\" fill=\"none\" stroke=\"#777\" stroke-width=\"1.2\"/>",
            line(places[from], places[to])
        );
    }
    for (DiagramBox { name, operator, shape, colour }, &(row, x)) in diagram.boxes.iter().zip(&places) {
        let (left, top) = (x - BOX[0] / 2.0, top(row));
        let _ = writeln!(
            text,
            "<g><title>{name}: {operator} → {shape}</title><rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{}\" height=\"{}\" rx=\"6\" \
             fill=\"{colour}\" stroke=\"#555\"/><text x=\"{x:.1}\" text-anchor=\"middle\" y=\"{:.1}\" \
             font-weight=\"bold\">{}</text><text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text><text x=\"{x:.1}\" \
             y=\"{:.1}\" text-anchor=\"middle\" fill=\"#444\">{}</text></g>",
            BOX[0],
            BOX[1],
            top + 14.0,
            shortened(name),
            top + 27.5,
            shortened(operator),
            top + 40.5,
            shortened(shape),
            name = markup(name),
            operator = markup(operator),
        );
    }
    text.push_str("</svg>\n");
    text
}

/// The boxes of each row, and the row and the middle of each box.
fn arrange(diagram: &Diagram) -> (Vec<Vec<usize>>, Vec<(usize, f64)>) {
    let mut depth = vec![0; diagram.boxes.len()];
    let mut sources: Vec<Vec<usize>> = vec![Vec::new(); diagram.boxes.len()];
    // Boxes are in topological order, and so are the lines by where they end.
    for &(from, to) in &diagram.lines {
        depth[to] = depth[to].max(depth[from] + 1);
        sources[to].push(from);
    }
    let mut rows: Vec<Vec<usize>> = vec![Vec::new(); depth.iter().max().map_or(0, |deepest| deepest + 1)];
    depth.iter().enumerate().for_each(|(index, &row)| rows[row].push(index));
    let widest = rows.iter().map(Vec::len).max().unwrap_or(0) as f64;
    let step = BOX[0] + GAP[0];
    let mut places = vec![(0, 0.0); diagram.boxes.len()];
    for (row, boxes) in rows.iter_mut().enumerate() {
        // Below the middle of what a box reads, as far as there is room.
        let wish = |index: usize| -> f64 {
            let sources = &sources[index];
            sources.iter().map(|&source| places[source].1).sum::<f64>() / sources.len().max(1) as f64
        };
        let mut wishes: Vec<(f64, usize)> = boxes.iter().map(|&index| (wish(index), index)).collect();
        wishes.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        *boxes = wishes.iter().map(|&(_, index)| index).collect();
        let first = GAP[0] + BOX[0] / 2.0 + (widest - boxes.len() as f64) * step / 2.0;
        for (place, &index) in boxes.iter().enumerate() {
            places[index] = (row, first + place as f64 * step);
        }
    }
    (rows, places)
}

fn top(row: usize) -> f64 {
    GAP[1] + row as f64 * (BOX[1] + GAP[1])
}

/// A curve from below one box to above another.
fn line((from_row, from): (usize, f64), (to_row, to): (usize, f64)) -> String {
    let (start, end) = (top(from_row) + BOX[1], top(to_row));
    let rows = to_row.saturating_sub(from_row);
    if rows <= 1 {
        let middle = f64::midpoint(start, end);
        return format!("M{from:.1} {start:.1} C{from:.1} {middle:.1} {to:.1} {middle:.1} {to:.1} {end:.1}");
    }
    // Past the boxes in between, at their right; further out the longer the way, so that lines do not cover each other.
    let side = from.max(to) + BOX[0] / 2.0 + 8.0 + (rows as f64).min(20.0) * 3.0;
    let (leave, enter) = (start + GAP[1], end - GAP[1]);
    format!(
        "M{from:.1} {start:.1} C{from:.1} {leave:.1} {side:.1} {start:.1} {side:.1} {leave:.1} L{side:.1} {enter:.1} \
         C{side:.1} {end:.1} {to:.1} {enter:.1} {to:.1} {end:.1}"
    )
}

/// As much of a text as fits into a box: its beginning and its end.
fn shortened(text: &str) -> String {
    const FITS: usize = 34;
    let letters: Vec<char> = one_line(text).chars().collect();
    if letters.len() <= FITS {
        return markup(text);
    }
    let (head, tail) = (FITS / 2, FITS - FITS / 2 - 1);
    let shortened: String =
        letters[..head].iter().chain(&['…']).chain(&letters[letters.len() - tail..]).collect();
    markup(&shortened)
}

#[cfg(test)]
mod tests {
    use deepinside_graph::op::{Eltwise, Unary};
    use deepinside_graph::{GraphBuilder, Shape};

    use super::*;

    fn network() -> Graph {
        let mut builder = GraphBuilder::new("");
        let x = builder.input("x <&> \"y\"", Shape::new([1, 2]).unwrap()).unwrap();
        let a = builder.node("a", Unary::Tanh, &[x], &["a"]).unwrap()[0];
        let b = builder.node("b", Unary::Tanh, &[a], &["b"]).unwrap()[0];
        let sum = Eltwise::Sum { coefficients: vec![1.0, 1.0] };
        let c = builder.node("c", sum, &[x, b], &["c"]).unwrap()[0];
        builder.finish(&[c])
    }

    #[test]
    fn graphviz_gets_every_box_and_line() {
        let text = dot(&network());
        assert_eq!(text.matches("label=").count(), 4);
        assert_eq!(text.matches("->").count(), 4);
        assert!(text.contains("x <&> \\\"y\\\""), "{text}");
    }

    #[test]
    fn boxes_stand_below_what_they_read() {
        let diagram = Diagram::of(&network());
        let (rows, places) = arrange(&diagram);
        assert_eq!(rows, [[0], [1], [2], [3]]);
        assert!(diagram.lines.iter().all(|&(from, to)| places[from].0 < places[to].0));
        let text = svg(&network());
        assert_eq!(text.matches("<rect").count(), 5);
        assert!(text.contains("x &lt;&amp;&gt; &quot;y&quot;"), "{text}");
        assert!(!text.contains("NaN"));
    }
}
