//! Side-by-side figures in the manner of the original project's scripts: pictures in axes, with ticks that count
//! pixels, a title above each and, if wanted, one above all. Below a picture of numbers stands what its colours mean.

use deepinside_files as files;
use deepinside_vision::{Error, Result};

use crate::Picture;
use crate::colour_map::ColourMap;
use crate::fitting::fitted;
use crate::normalise::{Content, Normalised, Scaling};
use crate::picture::WHITE;
use crate::text::{self, INK};

/// One picture of a figure.
#[derive(Debug, Clone, PartialEq)]
pub struct Panel {
    /// What stands above its axes.
    pub title: String,
    /// The picture; the ticks count its pixels.
    pub picture: Picture,
    /// What its colours mean: a bar below the axes. None for a photograph. A contact sheet has no room for it.
    pub scale: Option<ColourScale>,
    /// Lines below the axes: how the picture was made. A contact sheet has no room for them.
    pub caption: Vec<String>,
}

impl Panel {
    /// A picture with a title and nothing below it.
    pub fn new(title: impl Into<String>, picture: Picture) -> Self {
        Self { title: title.into(), picture, scale: None, caption: Vec::new() }
    }
}

/// What the colours of a picture of numbers mean.
#[derive(Debug, Clone, PartialEq)]
pub struct ColourScale {
    /// The colours, from the left end of the bar to its right end.
    pub colours: ColourMap,
    /// What the left end stands for, such as `0`.
    pub low: String,
    /// What the right end stands for, such as `0.0132 (99 % quantile) or more`.
    pub high: String,
}

impl ColourScale {
    /// The scale of numbers that were brought into `[0, 1]` by this scaling, with this result, and coloured.
    pub fn of(scaled: &Normalised, scaling: Scaling, colours: ColourMap) -> Self {
        let [low, high] = [scaled.low, scaled.high].map(three_digits);
        let high = match (scaled.content, scaling) {
            (Content::Constant(number), _) => format!("{} everywhere", three_digits(number)),
            (_, Scaling::Quantile(share)) if share < 1.0 => {
                format!("{high} ({} % quantile) or more", f64::from((share * 1e4).round()) / 1e2)
            }
            _ => format!("{high} (largest)"),
        };
        Self { colours, low, high }
    }
}

/// A number in three digits, for labels: `0.0132`, `1.53`, `2.1e-7`.
pub fn three_digits(number: f32) -> String {
    match number.abs() {
        0.0 => "0".to_owned(),
        magnitude @ 0.001..1e5 => {
            let digits = (2 - magnitude.log10().floor() as i32).max(0) as usize;
            let text = format!("{number:.digits$}");
            if text.contains('.') {
                text.trim_end_matches('0').trim_end_matches('.').to_owned()
            } else {
                text
            }
        }
        _ => format!("{number:.2e}"),
    }
}

/// Pictures side by side.
///
/// Small pictures are enlarged without smoothing; pictures larger than the axes are shrunk. A title or caption wider than its
/// picture widens the panel up to the axes' size; beyond that it is set smaller and then shortened.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// What stands above all panels; nothing by default.
    pub title: Option<String>,
    /// From left to right.
    pub panels: Vec<Panel>,
    /// The longest side of the axes in pixels, 480 by default, at least 32.
    pub axes_size: usize,
}

impl Default for Figure {
    fn default() -> Self {
        Self { title: None, panels: Vec::new(), axes_size: 480 }
    }
}

const MAIN_TITLE_SIZE: f32 = 20.0;
const TITLE_SIZE: f32 = 16.0;
const LABEL_SIZE: f32 = 12.0;
/// Blank space around the figure and between panels.
const MARGIN: usize = 20;
/// The length of a tick mark, and the space between it and its label.
const TICK: usize = 4;
const LABEL_GAP: usize = 3;
/// The height of digits in ems.
const DIGIT_HEIGHT: f32 = 0.73;
/// The height of the bar of colours, and the space above it.
const BAR: usize = 10;
const BAR_GAP: usize = 8;

impl Figure {
    /// Panels side by side without a main title.
    pub fn new(panels: Vec<Panel>) -> Self {
        Self { panels, ..Self::default() }
    }

    /// Draws the figure on white.
    ///
    /// # Errors
    /// [`deepinside_files::Error::Empty`] without panels, [`Error::Parameter`] for axes smaller than 32 pixels,
    /// [`Error::PictureTooLarge`].
    pub fn render(&self) -> Result<Picture> {
        if self.panels.is_empty() {
            return Err(files::Error::Empty { what: "a figure", shape: vec![0] }.into());
        }
        if self.axes_size < 32 {
            let found = self.axes_size.to_string();
            return Err(Error::Parameter { name: "the axes' size", expected: "at least 32 pixels", found });
        }
        let axes =
            self.panels.iter().map(|panel| Axes::new(panel, self.axes_size)).collect::<Result<Vec<_>>>()?;
        let tallest = axes.iter().map(|axes| axes.picture.height()).max().unwrap_or(0);
        let main_title_height = if self.title.is_some() { line_height(MAIN_TITLE_SIZE) + 8 } else { 0 };
        let width = axes.iter().fold(MARGIN, |sum, axes| sum.saturating_add(axes.width() + MARGIN));
        let top = MARGIN + main_title_height + line_height(TITLE_SIZE) + 6;
        let below = axes.iter().map(Axes::height_below).max().unwrap_or(0);
        let height = top + tallest + 1 + below + MARGIN;

        let mut canvas = Picture::filled(width, height, WHITE)?;
        if let Some(title) = &self.title {
            let baseline = MARGIN as f32 + MAIN_TITLE_SIZE;
            let available = (width - 2 * MARGIN) as f32;
            text::draw_centred(&mut canvas, title, width as f32 / 2.0, baseline, MAIN_TITLE_SIZE, available);
        }
        let mut left = MARGIN;
        for axes in &axes {
            let axes_top = top + (tallest - axes.picture.height()) / 2;
            axes.draw(&mut canvas, left, axes_top)?;
            left += axes.width() + MARGIN;
        }
        Ok(canvas)
    }
}

/// The height of a line of text with its descenders, in pixels.
fn line_height(size: f32) -> usize {
    (size * 1.3).ceil() as usize
}

/// A panel brought to its size on the canvas.
struct Axes<'a> {
    panel: &'a Panel,
    /// At its drawn size.
    picture: Picture,
    horizontal: Ticks,
    vertical: Ticks,
    /// Space to the left for tick labels, to the right for the half of the last label that stands out, and on both
    /// sides for a title that is wider than the picture.
    left_gutter: usize,
    right_gutter: usize,
}

impl<'a> Axes<'a> {
    fn new(panel: &'a Panel, size: usize) -> Result<Self> {
        let picture = fitted(&panel.picture, size, size)?;
        let horizontal = Ticks::new(panel.picture.width(), picture.width(), |label| 2.0 * label + 8.0);
        let vertical = Ticks::new(panel.picture.height(), picture.height(), |_| 3.0 * LABEL_SIZE);
        // Title and caption are centred on the picture: half of what they are wider by is needed on either side.
        let captions = panel.caption.iter().map(|line| text::width(line, LABEL_SIZE));
        let widest = captions.fold(text::width(&panel.title, TITLE_SIZE), f32::max).min(size as f32);
        let overhang = ((widest - picture.width() as f32).max(0.0) / 2.0).ceil() as usize;
        let left_gutter = (vertical.widest.ceil() as usize + LABEL_GAP + TICK + 1).max(overhang);
        let right_gutter = ((horizontal.widest / 2.0).ceil() as usize + 1).max(overhang);
        Ok(Self { panel, picture, horizontal, vertical, left_gutter, right_gutter })
    }

    /// The rows below the picture's lower spine: ticks and their labels, the bar of colours and its labels, the caption.
    fn height_below(&self) -> usize {
        let line = line_height(LABEL_SIZE);
        let bar = if self.panel.scale.is_some() { BAR_GAP + BAR + 2 + line } else { 0 };
        TICK + LABEL_GAP + line + bar + self.panel.caption.len() * line
    }

    fn width(&self) -> usize {
        self.left_gutter + self.picture.width() + self.right_gutter
    }

    /// Draws spines, ticks, labels, title and picture; `left` is the panel's edge and `top` the picture's first row.
    ///
    /// # Errors
    /// [`Error::PictureTooLarge`].
    fn draw(&self, canvas: &mut Picture, left: usize, top: usize) -> Result<()> {
        let (width, height) = (self.picture.width(), self.picture.height());
        let x = left + self.left_gutter;
        canvas.fill_rectangle(x - 1, top - 1, width + 2, height + 2, INK);
        canvas.paste(&self.picture, x, top);

        for tick in &self.horizontal.ticks {
            let at = x + tick.position;
            canvas.fill_rectangle(at, top + height + 1, 1, TICK, INK);
            let baseline = (top + height + 1 + TICK + LABEL_GAP) as f32 + DIGIT_HEIGHT * LABEL_SIZE;
            let start = at as f32 + 0.5 - text::width(&tick.label, LABEL_SIZE) / 2.0;
            text::draw(canvas, &tick.label, start, baseline, LABEL_SIZE);
        }
        for tick in &self.vertical.ticks {
            let at = top + tick.position;
            canvas.fill_rectangle(x - 1 - TICK, at, TICK, 1, INK);
            let baseline = at as f32 + 0.5 + DIGIT_HEIGHT * LABEL_SIZE / 2.0;
            let end = (x - 1 - TICK - LABEL_GAP) as f32;
            text::draw(canvas, &tick.label, end - text::width(&tick.label, LABEL_SIZE), baseline, LABEL_SIZE);
        }
        // The title may use the gutters too, but stays centred above the picture.
        let centre = x as f32 + width as f32 / 2.0;
        let available = (width + 2 * self.right_gutter.min(self.left_gutter)) as f32;
        text::draw_centred(canvas, &self.panel.title, centre, (top - 1) as f32 - 8.0, TITLE_SIZE, available);
        self.draw_below(canvas, x, top + height + 1 + TICK + LABEL_GAP + line_height(LABEL_SIZE), available)
    }

    /// Draws what stands below the ticks' labels: `x` is the picture's first column, `y` the first free row.
    fn draw_below(&self, canvas: &mut Picture, x: usize, mut y: usize, available: f32) -> Result<()> {
        let (width, line) = (self.picture.width(), line_height(LABEL_SIZE));
        let centre = x as f32 + width as f32 / 2.0;
        if let Some(scale) = &self.panel.scale {
            y += BAR_GAP;
            canvas.fill_rectangle(x - 1, y - 1, width + 2, BAR + 2, INK);
            let colours = (0..width).flat_map(|column| {
                let value = if width > 1 { column as f32 / (width - 1) as f32 } else { 1.0 };
                scale.colours.colour(value)
            });
            let row: Vec<u8> = colours.collect();
            canvas.paste(&Picture::new(width, BAR, row.repeat(BAR))?, x, y);
            y += BAR + 2;
            let baseline = y as f32 + LABEL_SIZE;
            text::draw(canvas, &scale.low, x as f32, baseline, LABEL_SIZE);
            // The upper end's label ends where the bar does and keeps clear of the lower end's.
            let free = width as f32 - text::width(&scale.low, LABEL_SIZE) - LABEL_SIZE;
            let (high, size) = text::fit(&scale.high, LABEL_SIZE, free.max(2.0 * LABEL_SIZE));
            text::draw(canvas, &high, (x + width) as f32 - text::width(&high, size), baseline, size);
            y += line;
        }
        for text in &self.panel.caption {
            text::draw_centred(canvas, text, centre, y as f32 + LABEL_SIZE, LABEL_SIZE, available);
            y += line;
        }
        Ok(())
    }
}

/// The ticks of one side.
struct Ticks {
    ticks: Vec<Tick>,
    /// The width of the widest label in pixels.
    widest: f32,
}

struct Tick {
    /// Drawn pixels from the picture's edge.
    position: usize,
    label: String,
}

impl Ticks {
    /// Ticks at the centres of pixels 0, *s*, 2*s* … of a side of `count` pixels which is drawn `length` pixels long.
    ///
    /// The step *s* is the smallest of 1, 2, 5, 10, 20, 50 … that leaves `spacing(width of the widest label)` drawn
    /// pixels, and an eighth of the side, between ticks.
    fn new(count: usize, length: usize, spacing: impl Fn(f32) -> f32) -> Self {
        let widest = text::width(&(count - 1).to_string(), LABEL_SIZE);
        let scale = length as f64 / count as f64;
        let room = f64::from(spacing(widest)).max(length as f64 / 8.0);
        let mut decade = 1usize;
        let step = loop {
            let candidates = [decade, 2 * decade, 5 * decade];
            if let Some(step) =
                candidates.into_iter().find(|&step| step as f64 * scale >= room || step >= count)
            {
                break step;
            }
            decade *= 10;
        };
        let tick = |value: usize| Tick {
            position: (((value as f64 + 0.5) * scale) as usize).min(length - 1),
            label: value.to_string(),
        };
        Self { ticks: (0..count).step_by(step).map(tick).collect(), widest }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_have_round_steps_and_stand_at_pixel_centres() {
        let values = |count, length| -> Vec<String> {
            let ticks = Ticks::new(count, length, |label| 2.0 * label + 8.0).ticks;
            ticks.into_iter().map(|tick| tick.label).collect()
        };
        assert_eq!(values(227, 454), ["0", "50", "100", "150", "200"]);
        assert_eq!(values(4, 480), ["0", "1", "2", "3"]);
        assert_eq!(values(1, 480), ["0"]);
        assert_eq!(values(4000, 480), ["0", "1000", "2000", "3000"]);
        let ticks = Ticks::new(4, 400, |_| 10.0).ticks;
        assert_eq!(ticks.iter().map(|tick| tick.position).collect::<Vec<_>>(), [50, 150, 250, 350]);
    }

    #[test]
    fn a_figure_shows_every_value_as_a_square_inside_dark_spines() {
        let picture = Picture::new(2, 1, vec![200, 0, 0, 0, 0, 200]).unwrap();
        let figure = Figure::new(vec![Panel::new("two values", picture)]).render().unwrap();
        let count = |colour| figure.rgb().chunks_exact(3).filter(|&pixel| pixel == colour).count();
        assert_eq!((count([200, 0, 0]), count([0, 0, 200])), (240 * 240, 240 * 240));
        assert!(count(INK) >= 2 * (480 + 240), "the spines");
        assert_eq!(figure.pixel(0, 0), Some(WHITE));
    }

    #[test]
    fn a_map_s_colours_are_explained_below_it() {
        let picture = Picture::filled(100, 100, [0; 3]).unwrap();
        let plain = Panel::new("map", picture);
        let scale = ColourScale { colours: ColourMap::Viridis, low: "0".into(), high: "0.5".into() };
        let labelled = Panel { scale: Some(scale), caption: vec!["one pass".into()], ..plain.clone() };
        let plain = Figure::new(vec![plain]).render().unwrap();
        let figure = Figure::new(vec![labelled]).render().unwrap();
        assert_eq!(figure.width(), plain.width());
        assert!(figure.height() > plain.height() + BAR);
        // The bar is as wide as the picture, and its colours run from the lowest to the highest.
        let count = |colour| figure.rgb().chunks_exact(3).filter(|&pixel| pixel == colour).count();
        for value in [0.0, 0.5, 1.0] {
            let column = (value * 399.0f32).round() / 399.0;
            assert!(count(ColourMap::Viridis.colour(column)) >= BAR, "{value}");
        }
    }

    #[test]
    fn scales_say_what_their_ends_stand_for() {
        let cases = [
            (0.0, "0"),
            (1.0, "1"),
            (0.013_24, "0.0132"),
            (-2.5, "-2.5"),
            (1234.5, "1234"),
            (3e-7, "3.00e-7"),
        ];
        for (number, expected) in cases {
            assert_eq!(three_digits(number), expected);
        }
        let scale = |numbers: &[f32], scaling| {
            let array = deepinside_files::Array::new([numbers.len()], numbers.to_vec()).unwrap();
            ColourScale::of(&crate::normalise::normalise(&array, scaling).unwrap(), scaling, ColourMap::Grey)
        };
        assert_eq!(scale(&[1.0, 3.0], Scaling::Quantile(0.99)).high, "2.98 (99 % quantile) or more");
        assert_eq!(scale(&[0.0, 2.0], Scaling::Maximum).high, "2 (largest)");
        assert_eq!(scale(&[0.0, 0.0], Scaling::Maximum).high, "0 everywhere");
        assert_eq!(scale(&[-1.0, 0.5], Scaling::Signed).low, "-1");
    }

    #[test]
    fn nothing_to_draw_and_tiny_axes_are_errors() {
        assert!(Figure::default().render().is_err());
        let picture = Picture::filled(2, 2, WHITE).unwrap();
        let figure = Figure::new(vec![Panel::new("", picture)]);
        assert!(Figure { axes_size: 3, ..figure }.render().is_err());
    }
}
