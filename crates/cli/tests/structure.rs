//! ARCHITECTURE.md says how the crates, and the modules of the library, depend on each other; this is a test that it is true.

use std::collections::{BTreeMap, BTreeSet};
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

/// A source file without its comments and its module of tests, which may use anything.
fn code_of(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap();
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    code.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// The first names of all paths that begin with `crate::`, those in braces among them.
fn names_of_the_crate(code: &str) -> BTreeSet<String> {
    let first = |path: &str| -> String {
        path.trim_start().chars().take_while(|&c| c.is_alphanumeric() || c == '_').collect()
    };
    let mut names = BTreeSet::new();
    for path in code.split("crate::").skip(1) {
        let Some(group) = path.strip_prefix('{') else {
            names.insert(first(path));
            continue;
        };
        let (mut depth, mut begins) = (0, 0);
        for (at, c) in group.char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth > 0 => depth -= 1,
                ',' | '}' if depth == 0 => {
                    names.insert(first(&group[begins..at]));
                    begins = at + 1;
                    if c == '}' {
                        break;
                    }
                }
                _ => {}
            }
        }
    }
    names.remove("");
    names
}

/// What the library's root shows of its modules: name → module.
fn shown_at_the_root(modules: &[String]) -> BTreeMap<String, String> {
    let root = code_of(&root().join("crates/deepinside/src/lib.rs"));
    let mut shown = BTreeMap::new();
    for statement in root.split("pub use ").skip(1) {
        let Some((module, names)) = statement.split(';').next().and_then(|path| path.split_once("::")) else {
            continue;
        };
        if modules.iter().any(|known| known == module) {
            for name in
                names.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|name| !name.is_empty())
            {
                shown.insert(name.to_owned(), module.to_owned());
            }
        }
    }
    shown
}

#[test]
fn modules_of_the_library_use_only_those_before_them() {
    let text = std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let table = text.split("| layer | modules").nth(1).expect("the table of layers");
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    let modules: Vec<String> = rows
        .flat_map(|row| {
            row.split('|').nth(2).unwrap_or_default().split(',').map(|name| name.trim().to_owned())
        })
        .collect();
    let source = root().join("crates/deepinside/src");
    let there: BTreeSet<String> = std::fs::read_dir(&source)
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
        .filter(|name| name != "lib")
        .collect();
    assert_eq!(modules.iter().cloned().collect::<BTreeSet<_>>(), there);
    assert_eq!(modules.len(), there.len(), "a module stands twice");
    let shown = shown_at_the_root(&modules);
    let position = |name: &String| modules.iter().position(|module| module == name);
    let (mut upwards, mut edges) = (Vec::new(), 0);
    for module in &modules {
        let mut files = vec![source.join(format!("{module}.rs")), source.join(module)];
        while let Some(path) = files.pop() {
            if path.is_dir() {
                files.extend(std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
            } else if path.is_file() {
                for name in names_of_the_crate(&code_of(&path)) {
                    let used = shown.get(&name).unwrap_or(&name);
                    let Some(place) = position(used) else { continue };
                    edges += 1;
                    if Some(place) > position(module) {
                        upwards
                            .push(format!("{} uses {used}", path.strip_prefix(&source).unwrap().display()));
                    }
                }
            }
        }
    }
    assert!(upwards.is_empty(), "{upwards:#?}");
    assert!(edges > 150, "this test does not find what is there: {edges}");
    let names = names_of_the_crate("use crate::{Model, labels::{self, a}, x::y};\nlet z = crate::finite::f;");
    assert_eq!(names, ["Model", "finite", "labels", "x"].map(str::to_owned).into());
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
