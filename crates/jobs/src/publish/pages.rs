//! The pages of a site.

use std::collections::BTreeMap;

use deepinside::{Result, diagram};

use super::markup::{Markup, index, page};
use super::outline::{Layer, class_page, class_picture, margin, thumbnail};
use super::photographs::{OfClass, Photographs};
use super::{Site, drawings};
use crate::durable;
use crate::exemplars::{TILE, Unit};

/// The style of all pages, and the search.
const FILES: [(&str, &str); 2] =
    [("site.css", include_str!("site.css")), ("search.js", include_str!("search.js"))];

/// How many units an overview shows of a layer.
const SHOWN: usize = 8;

/// Writes all pages, which replace those of an earlier run.
pub fn write(site: &Site<'_>, photographs: Option<&Photographs>) -> Result<()> {
    let writer =
        Writer { site, photographs, classes: photographs.map(Photographs::by_class).unwrap_or_default() };
    let file = |name: &str, text: &str| durable::write_soon(&site.options.out.join(name), text.as_bytes());
    for (name, text) in FILES {
        file(name, text)?;
    }
    file("graph.svg", &diagram::svg(&site.model.graph))?;
    file("index.js", &index(&writer.entries()))?;
    file("graph.html", &writer.graph())?;
    for (place, layer) in site.layers.iter().enumerate() {
        file(&layer.page(), &writer.layer(place, layer))?;
    }
    for &class in &site.options.classes {
        file(&class_page(class), &writer.class(class))?;
    }
    // Last: where the first page is, all others are.
    file("index.html", &writer.overview())
}

struct Writer<'s> {
    site: &'s Site<'s>,
    photographs: Option<&'s Photographs>,
    classes: BTreeMap<u32, OfClass>,
}

fn paragraph(text: &str) -> Markup {
    Markup::of_text("p", text)
}

fn quiet(text: &str) -> Markup {
    Markup::element("p", &[("class", "quiet")], &[Markup::text(text)])
}

fn heading(text: &str) -> Markup {
    Markup::of_text("h2", text)
}

/// A picture that is fetched when it comes into view. Its size is said beforehand, so that nothing moves.
fn picture(address: &str, text: &str, [width, height]: [usize; 2], class: &str) -> Markup {
    Markup::empty(
        "img",
        &[
            ("src", address),
            ("alt", text),
            ("width", &width.to_string()),
            ("height", &height.to_string()),
            ("loading", "lazy"),
            ("class", class),
        ],
    )
}

fn grid(items: Vec<Markup>) -> Markup {
    let items: Vec<Markup> = items.into_iter().map(|item| Markup::element("li", &[], &[item])).collect();
    Markup::element("ul", &[("class", "grid")], &items)
}

/// What a layer has, and how many of its units the page shows.
fn about(layer: &Layer, shown: usize) -> String {
    let positions = layer
        .positions
        .map_or_else(String::new, |[rows, columns]| format!(" at {rows} × {columns} positions"));
    let shown = if shown < layer.all_units { format!(", the first {shown} here") } else { String::new() };
    format!("{} units{positions}{shown}", layer.all_units)
}

impl Writer<'_> {
    fn name(&self) -> &str {
        &self.site.model.name
    }

    fn size(&self) -> [usize; 2] {
        [self.site.model.transformer.width, self.site.model.transformer.height]
    }

    fn short(&self, class: usize) -> String {
        let name = self.site.model.class_name(class);
        name.split(',').next().unwrap_or(&name).to_owned()
    }

    fn is_published(&self, class: usize) -> bool {
        self.site.options.classes.contains(&class)
    }

    /// What the search knows.
    fn entries(&self) -> Vec<(String, String)> {
        let site = self.site;
        let classes = site.options.classes.iter();
        let classes =
            classes.map(|&class| (format!("{class} {}", site.model.class_name(class)), class_page(class)));
        let layers = site.layers.iter().flat_map(|layer| {
            let unit = |unit: usize| {
                (format!("{} unit {unit}", layer.name), format!("{}#unit-{unit}", layer.page()))
            };
            std::iter::once((layer.name.clone(), layer.page())).chain((0..layer.units).map(unit))
        });
        classes.chain(layers).collect()
    }

    fn overview(&self) -> String {
        let (site, model) = (self.site, &self.site.model);
        let shape = model.graph.value(model.input).shape.extents();
        let shape: Vec<String> = shape[1..].iter().map(usize::to_string).collect();
        let mut body = vec![
            Markup::of_text("h1", self.name()),
            paragraph(&format!(
                "{} parameters; reads {} numbers. Each picture below was made by the network itself: it maximises the mean of one unit, or \
                 the score of one class, by the recipe '{}' with {} steps.",
                model.graph.parameters(),
                shape.join(" × "),
                site.options.recipe.name,
                site.options.recipe.iterations
            )),
        ];
        if let Some(photographs) = self.photographs {
            let failed = photographs.rows.iter().filter(|row| row.error.is_some()).count();
            let failed =
                if failed > 0 { format!(" ({failed} of them could not be read)") } else { String::new() };
            body.push(paragraph(&format!(
                "{} photographs{failed} say what excites the units, and what the classes are taken for.",
                photographs.rows.len()
            )));
        }
        body.push(Markup::element("p", &[], &[Markup::link("graph.html", "The whole network as a drawing")]));
        for layer in &site.layers {
            body.push(Markup::element("h2", &[], &[Markup::link(&layer.page(), &layer.name)]));
            let shown = layer.units.min(SHOWN);
            body.push(quiet(&about(layer, shown)));
            body.push(grid((0..shown).map(|unit| self.unit_link(layer, unit)).collect()));
        }
        if !site.options.classes.is_empty() {
            body.push(heading("Classes"));
            body.push(grid(site.options.classes.iter().map(|&class| self.class_link(class, "")).collect()));
        }
        page(self.name(), "", self.name(), &body)
    }

    fn unit_link(&self, layer: &Layer, unit: usize) -> Markup {
        let (address, text) = (format!("{}#unit-{unit}", layer.page()), format!("unit {unit}"));
        let image = picture(&layer.picture(unit), "", self.size(), "");
        Markup::element("a", &[("href", &address)], &[image, Markup::text(&text)])
    }

    fn class_link(&self, class: usize, up: &str) -> Markup {
        let image = picture(&format!("{up}{}", class_picture(class)), "", self.size(), "");
        let text = Markup::text(&format!("{class} {}", self.short(class)));
        Markup::element("a", &[("href", &format!("{up}{}", class_page(class)))], &[image, text])
    }

    fn graph(&self) -> String {
        let drawing = Markup::empty(
            "img",
            &[("src", "graph.svg"), ("alt", "Every operator of the network with its shapes")],
        );
        let body =
            [Markup::of_text("h1", "The network"), Markup::element("div", &[("class", "graph")], &[drawing])];
        page("The network", "", self.name(), &body)
    }

    fn layer(&self, place: usize, layer: &Layer) -> String {
        let layers = &self.site.layers;
        let mut body = vec![Markup::of_text("h1", &layer.name), quiet(&about(layer, layer.units))];
        let mut around = Vec::new();
        for (other, what) in [(place.checked_sub(1), "← "), (Some(place + 1), "→ ")] {
            if let Some(other) = other.and_then(|other| layers.get(other)) {
                around.push(Markup::link(&format!("../{}", other.page()), &format!("{what}{}", other.name)));
                around.push(Markup::text(" "));
            }
        }
        body.push(Markup::element("p", &[], &around));
        if self.photographs.is_some() {
            body.push(paragraph(
                "Beside each unit's own picture stand the photographs that excite it most, cut to what its activation there depends on, and \
                 below each how much: the magnitude of the activation's gradient at each pixel.",
            ));
        }
        body.extend((0..layer.units).map(|unit| self.unit(layer, unit)));
        page(&layer.name, "../", self.name(), &body)
    }

    fn unit(&self, layer: &Layer, unit: usize) -> Markup {
        let id = format!("unit-{unit}");
        let title = Markup::element("h3", &[], &[Markup::link(&format!("#{id}"), &format!("unit {unit}"))]);
        let own = picture(
            &format!("../{}", layer.picture(unit)),
            &format!("What maximises unit {unit} of {}", layer.name),
            self.size(),
            "",
        );
        let mut words = vec![title];
        let mut parts = Vec::new();
        if let Some(found) = self.photographs.and_then(|photographs| photographs.unit(layer, unit)) {
            words.extend(said(found));
            let count = found.best.len().min(self.site.options.top);
            if count > 0 {
                let text =
                    format!("The photographs that excite unit {unit} of {} most, and where", layer.name);
                let size = [count * TILE, 2 * TILE];
                let drawing = picture(&format!("../{}", layer.drawing(unit)), &text, size, "");
                parts.push(Markup::element("div", &[("class", "strip")], &[drawing]));
            }
        }
        let words = Markup::element("div", &[("class", "words")], &words);
        Markup::element("article", &[("class", "unit"), ("id", &id)], &[&[own, words][..], &parts].concat())
    }

    fn class(&self, class: usize) -> String {
        let name = self.site.model.class_name(class);
        let size = self.size();
        let model = picture(
            &format!("../{}", class_picture(class)),
            &format!("The class model of {name}"),
            size,
            "model",
        );
        let mut body = vec![
            Markup::of_text("h1", &name),
            quiet(&format!("class {class}")),
            Markup::element("div", &[("class", "class")], &[model]),
        ];
        if let Some(photographs) = self.photographs {
            let none = OfClass::default();
            let of = self.classes.get(&(class as u32)).unwrap_or(&none);
            self.photographs_of(photographs, of, &mut body);
        }
        page(&name, "../", self.name(), &body)
    }

    fn photographs_of(&self, photographs: &Photographs, of: &OfClass, body: &mut Vec<Markup>) {
        let [most, least, _] = Photographs::shown(of, self.site.options.top);
        let thumbnails =
            |rows: &[u64]| grid(rows.iter().map(|&row| self.thumbnail(photographs, row)).collect());
        body.push(quiet(&match of.labelled {
            0 => format!(
                "Photographs that are named so: {}; none has a label that says what it shows.",
                of.named.len()
            ),
            labelled => format!(
                "Photographs that are named so: {}; by their label it is shown by {labelled}.",
                of.named.len()
            ),
        }));
        if !most.is_empty() {
            body.push(heading("Most certain"));
            body.push(thumbnails(&most));
        }
        if !least.is_empty() {
            body.push(heading("Least certain"));
            body.push(thumbnails(&least));
        }
        for (title, confusions) in [("Taken for", &of.taken_for), ("Others taken for it", &of.mistaken)] {
            if confusions.is_empty() {
                continue;
            }
            let mut rows: Vec<(&u32, &Vec<u64>)> = confusions.iter().collect();
            rows.sort_by_key(|(class, rows)| (std::cmp::Reverse(rows.len()), **class));
            let line = |(&class, rows): (&u32, &Vec<u64>)| {
                let name = self.class_name(class as usize);
                let count =
                    Markup::element("td", &[("class", "number")], &[Markup::text(&rows.len().to_string())]);
                Markup::element("tr", &[], &[Markup::element("td", &[], &[name]), count])
            };
            body.push(heading(title));
            body.push(Markup::element("table", &[], &rows.iter().copied().map(line).collect::<Vec<_>>()));
            body.push(quiet(
                "Below each photograph stands what of it speaks for the class that it is taken for, and against the one of its label.",
            ));
            let worst = rows.iter().filter_map(|(_, rows)| rows.first().copied()).take(SHOWN);
            body.push(grid(worst.map(|row| self.mistake(photographs, row)).collect()));
        }
    }

    /// A class, with a link where it has a page.
    fn class_name(&self, class: usize) -> Markup {
        match self.is_published(class) {
            true => Markup::link(&format!("../{}", class_page(class)), &self.short(class)),
            false => Markup::text(&self.short(class)),
        }
    }

    /// A photograph with what speaks for its mistake.
    fn mistake(&self, photographs: &Photographs, row: u64) -> Markup {
        let mut parts = self.parts_of_thumbnail(photographs, row);
        if let Some([named, label]) = photographs.mistake(row) {
            let text = format!("What speaks for {} and against {}", self.short(named), self.short(label));
            let size = self.size_of_thumbnail(photographs, row);
            parts.insert(1.min(parts.len()), picture(&format!("../{}", margin(row)), &text, size, ""));
        }
        Markup::element("figure", &[], &parts)
    }

    fn thumbnail(&self, photographs: &Photographs, row: u64) -> Markup {
        Markup::element("figure", &[], &self.parts_of_thumbnail(photographs, row))
    }

    fn size_of_thumbnail(&self, photographs: &Photographs, row: u64) -> [usize; 2] {
        let found = photographs.rows.get(row as usize);
        let sides = found.map_or([None, None], |found| [found.width, found.height]);
        let [width, height] = sides.map(|side| f64::from(side.unwrap_or(1)));
        let scale = drawings::THUMBNAIL as f64 / width.max(height);
        [width, height].map(|side| ((side * scale.min(1.0)).round() as usize).max(1))
    }

    fn parts_of_thumbnail(&self, photographs: &Photographs, row: u64) -> Vec<Markup> {
        let Some(found) = photographs.rows.get(row as usize) else { return Vec::new() };
        let size = self.size_of_thumbnail(photographs, row);
        let file = found.key.rsplit(['/', '\\']).next().unwrap_or_default();
        let image = picture(&format!("../{}", thumbnail(row)), file, size, "");
        let text = photographs.named(row).map_or_else(String::new, |named| {
            format!("{:.1} % {}", 100.0 * named.probability, named.name.split(',').next().unwrap_or_default())
        });
        vec![image, quiet(&text), quiet(file)]
    }
}

/// What is said of a unit's activations.
fn said(unit: &Unit) -> Vec<Markup> {
    let mut lines = Vec::new();
    if let Some(best) = unit.best.first() {
        lines.push(quiet(&format!(
            "largest {:.3}, mean of the largest in each photograph {:.3}",
            best.value,
            unit.mean()
        )));
    }
    let share = 100.0 * unit.active as f64 / unit.photographs.max(1) as f64;
    lines.push(quiet(&format!("above zero in {share:.0} % of {} photographs", unit.photographs)));
    lines
}
