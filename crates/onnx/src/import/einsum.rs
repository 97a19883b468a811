//! Einstein sums of one or two operands: reductions, transposition and a matrix product.

use deepinside_graph::op::{Extent, MatrixProduct, Reduce, Reduction, Reshape, Transpose};

use super::failure::{Failure, inconsistent, unsupported};
use super::importer::{Importer, Operand};
use super::node::Node;

/// The longest equation that is looked at, in bytes: two operands and a result of as many axes as there are letters have fewer.
const LONGEST: usize = 200;

/// An operand and the letters of its axes.
type Labelled = (Operand, Vec<char>);

pub(super) fn import<'a>(node: &Node<'a>, importer: &mut Importer<'a>) -> Result<(), Failure> {
    let equation: String =
        node.text("equation")?.unwrap_or_default().chars().filter(|c| !c.is_whitespace()).collect();
    if equation.len() > LONGEST {
        return unsupported(format!("an equation of {} characters", equation.len()));
    }
    let operands = importer.operands(node)?;
    // Without an arrow the result has the letters that stand once, in alphabetical order.
    let (left, result) = match equation.split_once("->") {
        Some((left, result)) => (left, result.to_owned()),
        None => {
            let once = |letter: &char| equation.matches(*letter).count() == 1;
            let mut letters: Vec<char> = equation.chars().filter(|c| *c != ',').filter(once).collect();
            letters.sort_unstable();
            (equation.as_str(), letters.into_iter().collect())
        }
    };
    let terms: Vec<Vec<char>> = left.split(',').map(|term| term.chars().collect()).collect();
    let result: Vec<char> = result.chars().collect();
    let repeats = |letters: &[char]| (1..letters.len()).any(|at| letters[..at].contains(&letters[at]));
    if equation.contains('.') || terms.iter().any(|term| repeats(term)) || repeats(&result) {
        return unsupported(format!("equation '{equation}': dots and repeated letters of one operand"));
    }
    if terms.len() != operands.len() {
        return inconsistent("number of inputs", terms.len(), operands.len());
    }
    for (operand, term) in operands.iter().zip(&terms) {
        let shape = importer.shape(operand);
        if shape.rank() != term.len() {
            return inconsistent("input", format!("{} axes", term.len()), shape);
        }
    }
    if let Some(letter) = result.iter().find(|letter| !terms.iter().any(|term| term.contains(letter))) {
        return inconsistent("equation", "letters of the operands in the result", letter);
    }
    let mut labelled = operands.into_iter().zip(terms);
    let (Some(first), second, None) = (labelled.next(), labelled.next(), labelled.next()) else {
        return unsupported(format!("equation '{equation}' of more than two operands"));
    };
    match second {
        None => {
            let reduced = keep_only(node, importer, "summed", first, &result)?;
            finish_in_order(node, importer, reduced, &result)
        }
        Some(second) => {
            let product = product(node, importer, first, second, &result)?;
            finish_in_order(node, importer, product, &result)
        }
    }
}

/// Sums over the axes whose letters are not among `wanted`.
fn keep_only<'a>(
    node: &Node<'a>,
    importer: &mut Importer<'a>,
    step: &str,
    (operand, letters): Labelled,
    wanted: &[char],
) -> Result<Labelled, Failure> {
    let axes: Vec<usize> = (0..letters.len()).filter(|&axis| !wanted.contains(&letters[axis])).collect();
    if axes.is_empty() {
        return Ok((operand, letters));
    }
    let sum = Reduce { reduction: Reduction::Sum, axes, keep_axes: false, coefficient: 1.0 };
    let kept = letters.into_iter().filter(|letter| wanted.contains(letter)).collect();
    Ok((importer.step(node, step, sum, &[operand])?, kept))
}

/// Brings the axes into an order.
fn order<'a>(
    node: &Node<'a>,
    importer: &mut Importer<'a>,
    step: &str,
    (operand, letters): Labelled,
    wanted: &[char],
) -> Result<Operand, Failure> {
    importer.step(node, step, Transpose { permutation: permutation(&letters, wanted) }, &[operand])
}

fn permutation(letters: &[char], wanted: &[char]) -> Vec<usize> {
    wanted.iter().filter_map(|letter| letters.iter().position(|own| own == letter)).collect()
}

fn finish_in_order<'a>(
    node: &Node<'a>,
    importer: &mut Importer<'a>,
    (operand, letters): Labelled,
    wanted: &[char],
) -> Result<(), Failure> {
    importer.finish(node, Transpose { permutation: permutation(&letters, wanted) }, &[operand])
}

/// `batch × rows × inner` times `batch × inner × columns`, where batch letters stand in both operands and the result.
fn product<'a>(
    node: &Node<'a>,
    importer: &mut Importer<'a>,
    left: Labelled,
    right: Labelled,
    result: &[char],
) -> Result<Labelled, Failure> {
    let needed = |other: &[char]| -> Vec<char> { result.iter().chain(other).copied().collect() };
    let (wanted_left, wanted_right) = (needed(&right.1), needed(&left.1));
    let left = keep_only(node, importer, "left_summed", left, &wanted_left)?;
    let right = keep_only(node, importer, "right_summed", right, &wanted_right)?;
    let pick = |letters: &[char], in_other: bool, in_result: bool, other: &[char]| -> Vec<char> {
        let fits =
            |letter: &&char| other.contains(letter) == in_other && result.contains(letter) == in_result;
        letters.iter().filter(fits).copied().collect()
    };
    let batch = pick(&left.1, true, true, &right.1);
    let inner = pick(&left.1, true, false, &right.1);
    let rows = pick(&left.1, false, true, &right.1);
    let columns = pick(&right.1, false, true, &left.1);
    let extents = |importer: &Importer<'a>, (operand, letters): &Labelled, wanted: &[char]| -> Vec<usize> {
        let shape = importer.shape(operand);
        permutation(letters, wanted).into_iter().map(|axis| shape.extents()[axis]).collect()
    };
    let (batch_extents, row_extents) = (extents(importer, &left, &batch), extents(importer, &left, &rows));
    let (inner_extents, column_extents) =
        (extents(importer, &left, &inner), extents(importer, &right, &columns));
    if extents(importer, &right, &batch) != batch_extents
        || extents(importer, &right, &inner) != inner_extents
    {
        return inconsistent("inputs", "equal extents for equal letters", "different ones");
    }
    let [row_count, inner_count, column_count] =
        [&row_extents, &inner_extents, &column_extents].map(|extents| extents.iter().product::<usize>());
    let matrices = |rows: usize, columns: usize| {
        let all = batch_extents.iter().copied().chain([rows, columns]);
        Reshape { extents: all.map(Extent::Fixed).collect() }
    };
    let left = order(node, importer, "left_ordered", left, &[&batch[..], &rows, &inner].concat())?;
    let right = order(node, importer, "right_ordered", right, &[&batch[..], &inner, &columns].concat())?;
    let left = importer.step(node, "left", matrices(row_count, inner_count), &[left])?;
    let right = importer.step(node, "right", matrices(inner_count, column_count), &[right])?;
    let product = importer.step(node, "product", MatrixProduct, &[left, right])?;
    let all = [&batch_extents[..], &row_extents, &column_extents].concat();
    let whole = Reshape { extents: all.into_iter().map(Extent::Fixed).collect() };
    Ok((importer.step(node, "whole", whole, &[product])?, [&batch[..], &rows, &columns].concat()))
}
