//! What the ordinary tests run through the checks of the fuzz targets: seeds, and seeds damaged in ways that have found faults.

use std::panic::{RefUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

/// How many inputs a target is given at least.
const INPUTS: usize = 600;

/// The largest seed, in bytes.
const LARGEST: u64 = 32 << 10;

/// Gives a check every seed of a target, and damaged ones. Seeds are the files in `tests/fuzzed/TARGET` of this crate, among them what
/// fuzzing found, and the small files under a folder of fixtures whose names have an ending.
#[track_caller]
pub fn replay(target: &str, fixtures: Option<(&str, &str)>, check: impl Fn(&[u8]) + RefUnwindSafe) {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut seeds = Vec::new();
    find(&here.join("tests/fuzzed").join(target), "", &mut seeds);
    if let Some((folder, ending)) = fixtures {
        find(&here.join(folder), ending, &mut seeds);
    }
    seeds.sort();
    assert!(!seeds.is_empty(), "{target}: no seed");
    let mut failed = Vec::new();
    for (index, path) in seeds.iter().enumerate() {
        let seed = std::fs::read(path).unwrap();
        for number in 0..=INPUTS.div_ceil(seeds.len()) as u64 {
            let input = if number == 0 { seed.clone() } else { damaged(&seed, number << 32 | index as u64) };
            if catch_unwind(|| check(&input)).is_err() {
                failed.push(format!("{} damaged {number} times: {}", path.display(), input.escape_ascii()));
            }
        }
    }
    assert!(failed.is_empty(), "{target}: {}", failed.join("\n"));
}

fn find(folder: &Path, ending: &str, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            find(&path, ending, found);
        } else if path.to_string_lossy().ends_with(ending) && path.metadata().unwrap().len() <= LARGEST {
            found.push(path);
        }
    }
}

/// A seed that is cut, has bits turned, a piece twice, a piece less, or a number that is extreme; the same ones for the same number.
fn damaged(seed: &[u8], number: u64) -> Vec<u8> {
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut below = |bound: usize| {
        // Xorshift, whose low bits are its weakest.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 16) as usize % bound.max(1)
    };
    let mut data = seed.to_vec();
    for _ in 0..=below(3) {
        let from = below(data.len());
        let to = (from + 1 + below(32)).min(data.len());
        match below(5) {
            0 => data.truncate(from),
            1 => data[from..to].iter_mut().step_by(8).for_each(|byte| *byte ^= 1 << below(8)),
            2 => data.extend_from_within(from..to),
            3 => drop(data.drain(from..to)),
            _ => {
                let to = (from + (1 << below(4))).min(to);
                data[from..to].fill([0x00, 0x7f, 0x80, 0xff, b'9'][below(5)]);
            }
        }
        if data.is_empty() {
            break;
        }
    }
    data
}
