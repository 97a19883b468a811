//! How much of the outline's area lies inside the true boxes, and how much of these it covers: what is chosen by a threshold of the
//! map, and what is cut inside the default box.
//!
//! ```text
//! cargo run --release -p deepinside --example outlines -- GROUND_TRUTH.json [NETWORK|built-in [FOLDER]]
//! ```
//!
//! With a folder, the masks of the default are written into it.

#![allow(clippy::print_stdout, reason = "it prints a table")]

use std::path::Path;
use std::sync::Arc;

use deepinside::attribution::Runner;
use deepinside::drawing::annotate;
use deepinside::evaluation::ground_truth;
use deepinside::evidence::gather;
use deepinside::localise::{Method, choose};
use deepinside::outline::{OutlineOptions, outline};
use deepinside::vision::graph_cut::CutOptions;
use deepinside::{Model, Settings, Threads};

fn main() -> deepinside::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let model = Arc::new(match arguments.get(1) {
        Some(path) if path != "built-in" => Model::open_with(Path::new(path), Settings::default())?,
        _ => Model::built_in(Settings::default())?,
    });
    let truths = ground_truth(Path::new(&arguments[0]), None, &model)?.objects;
    let method = Method::named("default")?;
    let mut runner = Runner::new(Arc::clone(&model), Threads::new(0)?);
    let base = OutlineOptions::default();
    let cut = |clamped, refinements| CutOptions { clamped, refinements, ..base.cut };
    let variants = [
        ("default", base),
        ("map twice as strong", OutlineOptions { weight: 2.0 * base.weight, ..base }),
        ("no refinement", OutlineOptions { cut: cut(true, 0), ..base }),
        (
            "markers free, map four times as strong",
            OutlineOptions { weight: 16.0, cut: cut(false, 1), ..base },
        ),
    ];
    let mut sums = vec![[0.0; 5]; variants.len() + 1];
    for truth in &truths {
        let photograph = model.load_photograph(&truth.file)?;
        let (height, width) = (photograph.height(), photograph.width());
        let evidence = gather(&mut runner, &photograph, &[truth.class_index], &method.evidence)?;
        let map = &evidence.maps[0];
        let choice = choose(&photograph, map, &evidence.seen, &method)?;
        let mean = map.data().iter().map(|&number| f64::from(number)).sum::<f64>() / map.data().len() as f64;
        let undecided = 1.25 * mean;
        let scale = [width as f64 / truth.width, height as f64 / truth.height];
        let is_true = |index: usize| {
            let (x, y) = ((index % width) as f64 + 0.5, (index / width) as f64 + 0.5);
            truth.boxes.iter().any(|&[left, top, right, bottom]| {
                x >= left * scale[0] && x < right * scale[0] && y >= top * scale[1] && y < bottom * scale[1]
            })
        };
        let is_true: Vec<bool> = (0..height * width).map(is_true).collect();
        let add = |sum: &mut [f64; 5], mask: &[bool]| {
            let count =
                |of: &dyn Fn(usize) -> bool| (0..mask.len()).filter(|&index| of(index)).count() as f64;
            let both = count(&|index| mask[index] && is_true[index]);
            let (chosen, wanted) = (count(&|index| mask[index]), count(&|index| is_true[index]));
            sum[0] += both / chosen.max(1.0);
            sum[1] += both / wanted;
            sum[2] += both / (chosen + wanted - both);
            sum[3] += chosen / mask.len() as f64;
            sum[4] += f64::from(u8::from(chosen == 0.0));
        };
        add(&mut sums[0], &choice.mask);
        for ((name, options), sum) in variants.iter().zip(&mut sums[1..]) {
            let mask = outline(&photograph, map, &evidence.seen, undecided, choice.bounds, options)?;
            if let (Some(folder), "default") = (arguments.get(2), *name) {
                let stem = truth.file.file_stem().unwrap_or_default().to_string_lossy();
                annotate::mask(&mask, width)?
                    .write_png(Path::new(folder).join(format!("{stem}-mask.png")))?;
            }
            add(sum, &mask);
        }
    }
    println!("| outline | inside the true boxes | of the true boxes | overlap | of the picture | empty |");
    println!("|---|---|---|---|---|---|");
    let names = std::iter::once("threshold").chain(variants.iter().map(|(name, _)| *name));
    for (name, sum) in names.zip(&sums) {
        let [inside, covered, overlap, area, empty] = sum.map(|sum| sum / truths.len() as f64);
        println!("| {name} | {inside:.3} | {covered:.3} | {overlap:.3} | {area:.3} | {empty:.3} |");
    }
    Ok(())
}
