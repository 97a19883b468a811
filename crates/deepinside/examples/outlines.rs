//! How much of the outline's area lies inside the true boxes, and how much of these it covers: what is chosen by a threshold of the
//! map, and what is cut inside the default box.
//!
//! ```text
//! cargo run --release -p deepinside --example outlines -- GROUND_TRUTH.json [NETWORK]
//! ```

#![allow(clippy::print_stdout, reason = "it prints a table")]

use std::path::Path;

use deepinside::evaluation::ground_truth;
use deepinside::evidence::Gatherer;
use deepinside::localise::{Method, choose};
use deepinside::outline::{OutlineOptions, outline};
use deepinside::vision::graph_cut::CutOptions;
use deepinside::{Model, Settings, Threads};

fn main() -> deepinside::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let model = match arguments.get(1) {
        Some(path) => Model::open(Path::new(path), Settings::default())?,
        None => Model::built_in(Settings::default())?,
    };
    let truths = ground_truth(Path::new(&arguments[0]), None, &model)?.objects;
    let method = Method::named("default")?;
    let mut gatherer = Gatherer::new(&model, method.evidence.clone(), &Threads::new(0)?)?;
    let base = OutlineOptions::default();
    let variant = |weight: f64, refinements: usize, clamped: bool, smoothness: f64| {
        let cut = CutOptions { refinements, clamped, smoothness, ..base.cut };
        let name =
            format!("weight {weight}, {refinements} refinements, clamped {clamped}, border {smoothness}");
        (name, OutlineOptions { weight, cut, ..base })
    };
    let variants = vec![
        ("default".to_owned(), base),
        variant(8.0, 0, false, 50.0),
        variant(8.0, 1, false, 50.0),
        variant(16.0, 0, false, 50.0),
        variant(16.0, 1, false, 50.0),
        variant(30.0, 0, false, 50.0),
        variant(4.0, 0, true, 50.0),
        variant(8.0, 0, true, 50.0),
        variant(16.0, 0, true, 50.0),
        variant(8.0, 1, true, 50.0),
        variant(8.0, 0, false, 100.0),
        variant(16.0, 0, false, 100.0),
        variant(16.0, 0, true, 100.0),
    ];
    let mut sums = vec![[0.0; 5]; variants.len() + 1];
    for truth in &truths {
        let photograph = model.load_photograph(&truth.file)?;
        let (height, width) = (photograph.height(), photograph.width());
        let evidence = gatherer.gather(&model, &photograph, &[truth.class_index])?;
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
        for ((_, options), sum) in variants.iter().zip(&mut sums[1..]) {
            add(sum, &outline(&photograph, map, &evidence.seen, undecided, choice.bounds, options)?);
        }
    }
    println!("| outline | inside the true boxes | of the true boxes | overlap | of the picture | empty |");
    println!("|---|---|---|---|---|---|");
    let names = std::iter::once("threshold").chain(variants.iter().map(|(name, _)| name.as_str()));
    for (name, sum) in names.zip(&sums) {
        let [inside, covered, overlap, area, empty] = sum.map(|sum| sum / truths.len() as f64);
        println!("| {name} | {inside:.3} | {covered:.3} | {overlap:.3} | {area:.3} | {empty:.3} |");
    }
    Ok(())
}
