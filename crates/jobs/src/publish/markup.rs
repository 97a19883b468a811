//! HTML in which nothing that a model or a file names is markup.

use deepinside::printable::{json, markup};

/// What a page may load: what lies beside it, and nothing else. Scripts and styles within the page are refused.
const POLICY: &str = "default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; base-uri 'none'; form-action 'none'";

/// Text that is escaped already.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Markup(String);

impl Markup {
    /// Text, in which nothing is markup.
    pub fn text(text: &str) -> Self {
        Self(markup(text))
    }

    /// An element with attributes and what stands in it. Names are those of the program; values are escaped.
    pub fn element(name: &'static str, attributes: &[(&'static str, &str)], inside: &[Self]) -> Self {
        let mut text = Self::opening(name, attributes);
        inside.iter().for_each(|part| text += &part.0);
        Self(text + "</" + name + ">")
    }

    /// An element that holds nothing.
    pub fn empty(name: &'static str, attributes: &[(&'static str, &str)]) -> Self {
        Self(Self::opening(name, attributes))
    }

    /// An element with text alone.
    pub fn of_text(name: &'static str, text: &str) -> Self {
        Self::element(name, &[], &[Self::text(text)])
    }

    /// A link.
    pub fn link(address: &str, text: &str) -> Self {
        Self::element("a", &[("href", address)], &[Self::text(text)])
    }

    fn opening(name: &'static str, attributes: &[(&'static str, &str)]) -> String {
        let attribute = |(name, value): &(&str, &str)| format!(" {name}=\"{}\"", markup(value));
        format!("<{name}{}>", attributes.iter().map(attribute).collect::<String>())
    }
}

/// A whole page. `up` leads from it to the site's folder: empty, or `../`.
pub fn page(title: &str, up: &str, site: &str, body: &[Markup]) -> String {
    let style = Markup::empty("link", &[("rel", "stylesheet"), ("href", &format!("{up}site.css"))]);
    let script =
        |file: &str| Markup::element("script", &[("src", &format!("{up}{file}")), ("defer", "")], &[]);
    let head = Markup::element(
        "head",
        &[],
        &[
            Markup::empty("meta", &[("charset", "utf-8")]),
            Markup::empty(
                "meta",
                &[("name", "viewport"), ("content", "width=device-width, initial-scale=1")],
            ),
            Markup::empty("meta", &[("http-equiv", "Content-Security-Policy"), ("content", POLICY)]),
            Markup::empty("meta", &[("name", "referrer"), ("content", "no-referrer")]),
            Markup::of_text(
                "title",
                &if title == site { title.to_owned() } else { format!("{title} · {site}") },
            ),
            style,
            script("index.js"),
            script("search.js"),
        ],
    );
    let search = Markup::element(
        "div",
        &[("class", "search")],
        &[
            Markup::empty(
                "input",
                &[
                    ("type", "search"),
                    ("id", "search"),
                    ("data-up", up),
                    ("placeholder", "Find a class, a layer or a unit"),
                    ("aria-label", "Find a class, a layer or a unit"),
                    ("autocomplete", "off"),
                ],
            ),
            Markup::element("ul", &[("id", "found"), ("hidden", "")], &[]),
        ],
    );
    let header = Markup::element("header", &[], &[Markup::link(&format!("{up}index.html"), site), search]);
    let main = Markup::element("main", &[], body);
    let body = Markup::element("body", &[], &[header, main]);
    format!("<!doctype html>\n<html lang=\"en\">{}{}</html>\n", head.0, body.0)
}

/// A script that hands the search its table: titles with their addresses.
pub fn index(entries: &[(String, String)]) -> String {
    let table = serde_json::to_string(entries).unwrap_or_else(|_| "[]".to_owned());
    format!("window.deepinsideIndex = {};\n", json(&table))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_named_is_never_markup() {
        let evil = "<script>alert(1)</script>\"' onload=x &";
        let text = page(evil, "../", evil, &[Markup::link(evil, evil), Markup::of_text("p", evil)]);
        assert!(!text.contains("<script>") && !text.contains("\"' onload"), "{text}");
        assert_eq!(text.matches("<script ").count(), 2);
        assert!(!text.contains("unsafe-inline") && text.contains("script-src &#39;self&#39;"));
        let table = index(&[(evil.to_owned(), "a\u{2028}b".to_owned())]);
        assert!(!table.contains('\u{2028}'));
        let json = table.trim_start_matches("window.deepinsideIndex = ").trim_end_matches(";\n");
        assert_eq!(serde_json::from_str::<Vec<(String, String)>>(json).unwrap()[0].0, evil);
    }
}
