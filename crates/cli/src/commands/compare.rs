//! `deepinside compare`.

use std::path::Path;
use std::time::Instant;

use deepinside::classify::{Prediction, prediction};
use deepinside::compare::{
    ComparedOperator, Position, RULES, ShownGradient, Unit, UnitGradient, operators, unit_gradient,
};
use deepinside::drawing::contact_sheet::ContactSheet;
use deepinside::drawing::figure::{Panel, three_digits};
use deepinside::drawing::normalise::{Content, Scaling, normalise};
use deepinside::drawing::overlay::{Opacity, overlay};
use deepinside::drawing::{ColourMap, Picture};
use deepinside::file_name::portable;
use deepinside::files::Array;
use deepinside::vision::Photograph;
use deepinside::{BackwardRule, Model, printable, rule_notes};
use serde::Serialize;

use crate::arguments::{CompareArguments, UnitArguments};
use crate::failure::Outcome;
use crate::output::{self, Destination, make_folder};
use crate::{pictures, progress};

#[derive(Serialize)]
struct Result<'a> {
    image: &'a str,
    top: &'a [Prediction],
    /// What this crop would have chosen, where that is another class than the model's own crop chooses.
    #[serde(skip_serializing_if = "Option::is_none")]
    other_choice: Option<Prediction>,
    unit: Found<'a>,
    rules: Vec<Ruled>,
    #[serde(skip_serializing_if = "Option::is_none")]
    operators: Option<Vec<ComparedOperator>>,
    /// What must be known about the rules in this network.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    notes: &'a [String],
    output: Option<String>,
    seconds: f64,
}

/// The unit that was looked at.
#[derive(Serialize)]
struct Found<'a> {
    layer: &'a str,
    channel: usize,
    position: Option<&'a [usize]>,
    class: Option<&'a Prediction>,
    activation: f32,
}

/// What one rule gives.
#[derive(Serialize)]
struct Ruled {
    rule: &'static str,
    /// The magnitude that is shown brightest in the picture and, over channels, in the map.
    brightest: [f32; 2],
    /// The number that the whole gradient consists of, where it is one.
    constant: Option<f32>,
}

pub fn run(arguments: &CompareArguments) -> Outcome {
    let paths = pictures::expand(&arguments.photographs)?;
    let names = pictures::Names::of(&paths)?;
    let model = super::open(&arguments.model, false)?;
    let mut runner = super::runner(&model, arguments.run.threads)?;
    let asked = asked(&model, &arguments.unit)?;
    let value = asked.as_ref().map_or(model.score.value, |unit| unit.value);
    let notes: Vec<String> = RULES.into_iter().flat_map(|rule| rule_notes(&model, rule, value)).collect();
    super::say_notes(&notes);
    let draws = arguments.output.is_some() || !arguments.table;
    let to = Destination::new(arguments.output.as_deref(), paths.len(), &["png"])?;
    output::expect_places(to.single_file())?;
    pictures::each(&paths, |path| {
        let start = Instant::now();
        let photograph = model.load_photograph(path)?;
        let input = model.input_of(&photograph, arguments.unit.crop.unwrap_or(model.crop))?;
        let classification = runner.classify(&photograph)?;
        let seen = runner.scores(input.data())?;
        let top = classification.top(&model, 5);
        let other_choice = classification.other_choice(&model, &seen).filter(|_| asked.is_none());
        let chosen = top.first().map_or("", |best| &best.name);
        super::say_other_choice(&model, "this crop", chosen, other_choice.as_ref());
        let unit = match &asked {
            Some(unit) => unit.clone(),
            None => Unit::class(&model, top.first().map(|best| best.index).unwrap_or_default())?,
        };
        let mut found = Vec::new();
        for rule in RULES {
            found.push(unit_gradient(&mut runner, input.data(), &unit, rule)?);
        }
        let class = (unit.value == model.score.value && unit.position == Position::Mean)
            .then(|| prediction(&model, &seen, unit.channel));
        let described = described(&model, &unit, &found[0], class.as_ref());
        if found[0].unit.activation <= 0.0 && class.is_none() {
            progress::note(format_args!("note: {described}: the unit is silent for this photograph"));
        }
        let mut shown = Vec::new();
        for (rule, found) in RULES.into_iter().zip(&found) {
            shown.push(Shown::new(&model, rule, found, arguments.quantile, &described)?);
        }
        let stem = names.name(path);
        let file = draws.then(|| to.file(&stem, "-compared.png"));
        let table =
            arguments.table.then(|| operators(&model, input.data(), &unit, runner.threads())).transpose()?;
        if let Some(raw) = &arguments.raw {
            make_folder(raw)?;
            for (rule, found) in RULES.into_iter().zip(&found) {
                output::array(
                    &raw.join(format!("{}-{}.npy", portable(&stem), rule.name())),
                    &found.gradient,
                )?;
            }
        }
        if let Some(file) = &file {
            let seen = model.transformer.deprocess(&input)?;
            output::png(file, &figure(&seen, &described, &found[0].channel, &shown)?)?;
        }
        if !arguments.run.json {
            if let Some(table) = &table {
                output::text(&format!("{}\n{}", printable::one_line(&described), table_of(table)));
            }
            if let Some(file) = &file {
                output::line(file.display());
            }
            return Ok(());
        }
        output::json(&Result {
            image: &path.to_string_lossy(),
            top: &top,
            other_choice,
            unit: Found {
                layer: &model.graph.value(unit.value).name,
                channel: unit.channel,
                position: found[0].unit.position.as_deref(),
                class: class.as_ref(),
                activation: found[0].unit.activation,
            },
            rules: shown.iter().map(Shown::ruled).collect(),
            operators: table,
            notes: &notes,
            output: file.as_deref().map(Path::to_string_lossy).map(Into::into),
            seconds: start.elapsed().as_secs_f64(),
        })
    })
}

/// The unit that the flags name; the most probable class is not known before a photograph is.
fn asked(model: &Model, arguments: &UnitArguments) -> Outcome<Option<Unit>> {
    if let (Some(layer), Some(channel)) = (&arguments.layer, arguments.channel) {
        let position = match arguments.position.as_slice() {
            [] => Position::Strongest,
            indices => Position::At(indices.to_vec()),
        };
        return Ok(Some(Unit::of_layer(model, layer, channel, position)?));
    }
    let Some(class) = &arguments.class else { return Ok(None) };
    Ok(Some(Unit::class(model, model.class(class)?)?))
}

/// The unit in words.
fn described(model: &Model, unit: &Unit, found: &UnitGradient, class: Option<&Prediction>) -> String {
    if let Some(class) = class {
        let first = class.name.split(',').next().unwrap_or(&class.name);
        return format!("score of {first}");
    }
    let layer = &model.graph.value(unit.value).name;
    let position = match found.unit.position.as_deref() {
        None | Some([]) => String::new(),
        Some(indices) => {
            let indices: Vec<String> = indices.iter().map(ToString::to_string).collect();
            format!(" at {}", indices.join(","))
        }
    };
    format!("channel {} of {layer}{position}", unit.channel)
}

/// What one rule gives, ready to be drawn.
struct Shown {
    rule: BackwardRule,
    gradient: ShownGradient,
    /// The rows and columns in which the gradient is not zero: first, and one behind the last.
    field: Option<[(usize, usize); 2]>,
}

impl Shown {
    fn new(
        model: &Model,
        rule: BackwardRule,
        found: &UnitGradient,
        quantile: f32,
        described: &str,
    ) -> Outcome<Self> {
        let gradient = ShownGradient::new(&found.gradient, model.transformer.channel_order, quantile)?;
        if let Content::Constant(number) = gradient.content {
            progress::note(format_args!(
                "note: {described}: by the rule {} the gradient is {number} everywhere; its picture shows nothing",
                rule.name()
            ));
        }
        Ok(Self { rule, field: field(&gradient.map), gradient })
    }

    fn title(&self) -> String {
        let rule = self.rule.title();
        match self.gradient.content {
            Content::Constant(number) => format!("{rule}: {number} everywhere"),
            _ => rule.to_owned(),
        }
    }

    fn ruled(&self) -> Ruled {
        Ruled {
            rule: self.rule.name(),
            brightest: self.gradient.brightest,
            constant: match self.gradient.content {
                Content::Constant(number) => Some(number),
                _ => None,
            },
        }
    }
}

/// The photograph and the three pictures, below them the unit's channel and the three maps. Of a unit that sees a small part
/// of the photograph that part is shown once more, enlarged.
fn figure(seen: &Photograph, described: &str, channel: &Array, shown: &[Shown]) -> Outcome<Picture> {
    let input = Picture::from_photograph(seen)?;
    let signed = || shown.iter().map(|shown| &shown.gradient.signed);
    let mut tiles = vec![Panel::new("input", input.clone())];
    tiles.extend(shown.iter().map(|shown| Panel::new(shown.title(), shown.gradient.signed.clone())));
    let fields = shown.iter().filter_map(|shown| shown.field);
    let union = |a: [(usize, usize); 2], b: [(usize, usize); 2]| {
        [0, 1].map(|axis| (a[axis].0.min(b[axis].0), a[axis].1.max(b[axis].1)))
    };
    let small = fields.reduce(union).filter(|[rows, columns]| {
        2 * (rows.1 - rows.0) <= input.height() && 2 * (columns.1 - columns.0) <= input.width()
    });
    if let Some([rows, columns]) = small {
        let range = |(first, end): (usize, usize)| format!("{first}–{}", end - 1);
        let title = format!("rows {}, columns {}", range(rows), range(columns));
        tiles.push(Panel::new(title, part(&input, rows, columns)?));
        for picture in signed() {
            tiles.push(Panel::new("", part(picture, rows, columns)?));
        }
    }
    tiles.push(match (channel.data().len(), shown.first()) {
        (1, Some(first)) => Panel::new(
            "gradient over the input",
            overlay(seen, &first.gradient.map, ColourMap::Jet, Opacity::Uniform(0.6))?,
        ),
        _ => channel_of(channel)?,
    });
    for shown in shown {
        let map = ColourMap::Grey.apply(&shown.gradient.map)?;
        tiles.push(Panel::new("largest magnitude over channels", map));
    }
    let sheet = ContactSheet {
        title: Some(described.to_owned()),
        columns: Some(1 + shown.len()),
        cell_size: 260,
        ..ContactSheet::new(tiles)
    };
    Ok(sheet.render()?)
}

/// The rows and columns in which a map is not zero: first, and one behind the last.
fn field(map: &Array) -> Option<[(usize, usize); 2]> {
    let width = *map.shape().last()?;
    let places = || map.data().iter().enumerate().filter(|(_, number)| **number != 0.0).map(|(at, _)| at);
    let range = |of: &dyn Fn(usize) -> usize| Some((places().map(of).min()?, places().map(of).max()? + 1));
    Some([range(&|at| at / width)?, range(&|at| at % width)?])
}

/// Some rows and columns of a picture.
fn part(picture: &Picture, rows: (usize, usize), columns: (usize, usize)) -> Outcome<Picture> {
    let line = 3 * picture.width();
    let lines = picture.rgb().chunks_exact(line).take(rows.1).skip(rows.0);
    let pixels = lines.flat_map(|line| &line[3 * columns.0..3 * columns.1]).copied().collect();
    Ok(Picture::new(columns.1 - columns.0, rows.1 - rows.0, pixels)?)
}

/// The activations of the unit's channel, from the smallest to the largest; further spatial axes are laid side by side.
fn channel_of(channel: &Array) -> Outcome<Panel> {
    let (height, width) = match channel.shape() {
        [height, rest @ ..] => (*height, rest.iter().product()),
        [] => (1, 1),
    };
    let scaled = normalise(&channel.clone().reshaped([height, width])?, Scaling::MinimumMaximum)?;
    let title = match scaled.content {
        Content::Constant(number) => format!("its channel: {number} everywhere"),
        _ => format!("its channel, {} to {}", three_digits(scaled.low), three_digits(scaled.high)),
    };
    Ok(Panel::new(title, ColourMap::Grey.apply(&scaled.values)?))
}

/// The operators as lines of text.
fn table_of(operators: &[ComparedOperator]) -> String {
    let head = ["layer", "operator", "DeconvNet", "guided", "DeconvNet so far", "guided so far"];
    let mut lines = vec![head.map(str::to_owned)];
    for row in operators {
        let alone = |number: f32| match (row.incoming, number) {
            (0.0, _) => "nothing arrives".to_owned(),
            (_, 0.0) => "equal".to_owned(),
            _ => format!("{number:.3}"),
        };
        let so_far = |number: f32| if number == 0.0 { "equal".to_owned() } else { format!("{number:.3}") };
        lines.push([
            printable::one_line(&row.name).into_owned(),
            row.operator.to_owned(),
            alone(row.alone[0]),
            alone(row.alone[1]),
            so_far(row.so_far[0]),
            so_far(row.so_far[1]),
        ]);
    }
    let width = |column: usize| printable::column(lines.iter().map(|line| &*line[column]));
    let widths: [usize; 6] = std::array::from_fn(width);
    let mut text = String::new();
    for line in &lines {
        let cells: Vec<String> = line
            .iter()
            .zip(widths)
            .enumerate()
            .map(
                |(column, (cell, width))| {
                    if column < 2 { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
                },
            )
            .collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text.push_str(
        "numbers: the rule's difference from the true gradient, relative to it, first of this operator alone given the same \
         gradient, then (so far) of the whole way back from the unit; equal: to the bit\n",
    );
    let differ = operators.iter().filter(|row| row.alone != [0.0, 0.0]);
    let (rectifiers, others): (Vec<_>, Vec<_>) = differ.partition(|row| row.rectifier);
    let count = operators.iter().filter(|row| row.rectifier).count();
    text.push_str(&format!(
        "the rules differ at {} of {count} rectifiers and at {} of {} other operators\n",
        rectifiers.len(),
        others.len(),
        operators.len() - count
    ));
    text
}
