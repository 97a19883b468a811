//! ARCHITECTURE.md says how the crates depend on each other; this is a test that it is true.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The crates which a crate's manifest names, without those it needs for tests alone.
fn dependencies(name: &str) -> BTreeSet<String> {
    let manifest = std::fs::read_to_string(root().join("crates").join(name).join("Cargo.toml")).unwrap();
    let dependencies = manifest.split("[dependencies]").nth(1).unwrap_or_default();
    let dependencies = dependencies.split("\n[").next().unwrap_or_default();
    let ours = dependencies.lines().filter_map(|line| {
        let package = line.split(['.', ' ', '=']).next()?;
        let folder = package.strip_prefix("deepinside-").unwrap_or(package);
        (!folder.is_empty() && root().join("crates").join(folder).is_dir()).then(|| folder.to_owned())
    });
    ours.collect()
}

#[test]
fn the_crate_map_is_true_and_points_downwards() {
    let text = std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let rows: Vec<(String, BTreeSet<String>)> = text
        .lines()
        .filter_map(|line| {
            let mut cells = line.strip_prefix("| `crates/")?.split('|');
            let name = cells.next()?.split('`').next()?.to_owned();
            let depends = cells.nth(1)?.trim();
            let depends = depends.split(", ").filter(|name| *name != "–").map(str::to_owned);
            Some((name, depends.collect()))
        })
        .collect();
    let folders: BTreeSet<String> = std::fs::read_dir(root().join("crates"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    assert_eq!(rows.iter().map(|(name, _)| name.clone()).collect::<BTreeSet<_>>(), folders);
    for (position, (name, stated)) in rows.iter().enumerate() {
        assert_eq!(&dependencies(name), stated, "dependencies of {name}");
        let below: BTreeSet<&String> = rows[position + 1..].iter().map(|(name, _)| name).collect();
        assert!(stated.iter().all(|dependency| below.contains(dependency)), "{name} points upwards");
    }
}

#[test]
fn unsafe_code_stands_where_it_may() {
    let mut found = BTreeSet::new();
    let mut folders = vec![root().join("crates")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs")
                && !path.ends_with("tests/structure.rs")
            {
                let text = std::fs::read_to_string(&path).unwrap();
                let is_code = |line: &&str| !line.trim_start().starts_with("//");
                let is_unsafe = |line: &str| {
                    let kinds = ["{", "fn", "impl", "trait", "extern"];
                    kinds.into_iter().any(|kind| line.contains(&format!("unsafe {kind}")))
                };
                if text.lines().filter(is_code).any(is_unsafe) {
                    let inside = path.strip_prefix(root().join("crates")).unwrap();
                    found.insert(inside.to_string_lossy().into_owned());
                }
            }
        }
    }
    let outside: Vec<&String> = found
        .iter()
        .filter(|path| !path.starts_with("engine/") && !path.starts_with("mapped-file/"))
        .collect();
    assert!(outside.is_empty(), "unsafe code in {outside:?}");
    assert!(found.contains("engine/src/gemm.rs"), "this test does not find what is there: {found:?}");
}
