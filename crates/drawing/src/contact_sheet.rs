//! Many titled pictures on one sheet: all layers of a network at a glance.

use deepinside_files as files;
use deepinside_vision::{Error, Result};

use crate::Picture;
use crate::figure::Panel;
use crate::fitting::fitted;
use crate::picture::WHITE;
use crate::text::{self, INK};

/// Titled pictures in rows, read from left to right.
///
/// Every picture is brought into a square cell: enlarged without smoothing, or shrunk.
#[derive(Debug, Clone, PartialEq)]
pub struct ContactSheet {
    /// What stands above all pictures; nothing by default.
    pub title: Option<String>,
    /// The pictures and what stands above each.
    pub tiles: Vec<Panel>,
    /// How many stand side by side; by default as many as make the sheet about 4:3.
    pub columns: Option<usize>,
    /// The side of a cell in pixels, 240 by default, at least 16.
    pub cell_size: usize,
}

impl Default for ContactSheet {
    fn default() -> Self {
        Self { title: None, tiles: Vec::new(), columns: None, cell_size: 240 }
    }
}

const MAIN_TITLE_SIZE: f32 = 20.0;
const TITLE_SIZE: f32 = 14.0;
const MARGIN: usize = 16;
/// From the top of a tile's row to the top of its picture: the title's line.
const TITLE_HEIGHT: usize = 24;

impl ContactSheet {
    /// A sheet without a title of its own.
    pub fn new(tiles: Vec<Panel>) -> Self {
        Self { tiles, ..Self::default() }
    }

    /// Draws the sheet on white.
    ///
    /// # Errors
    /// [`deepinside_files::Error::Empty`] without tiles, [`Error::Parameter`] for no columns or cells under 16 pixels,
    /// [`Error::PictureTooLarge`].
    pub fn render(&self) -> Result<Picture> {
        if self.tiles.is_empty() {
            return Err(files::Error::Empty { what: "a contact sheet", shape: vec![0] }.into());
        }
        if self.cell_size < 16 || self.columns == Some(0) {
            let columns = self.columns.map_or_else(String::new, |columns| format!(" in {columns} columns"));
            let found = format!("{} pixels{columns}", self.cell_size);
            let expected = "cells of at least 16 pixels in at least one column";
            return Err(Error::Parameter { name: "the contact sheet's layout", expected, found });
        }
        let columns = self.columns.unwrap_or_else(|| {
            let square = (self.tiles.len() as f64 * 4.0 / 3.0).sqrt().round() as usize;
            square.max(1)
        });
        let columns = columns.min(self.tiles.len());
        let pictures = self
            .tiles
            .iter()
            .map(|tile| fitted(&tile.picture, self.cell_size, self.cell_size))
            .collect::<Result<Vec<_>>>()?;
        // Rows are as high as their highest picture: a row of flat strips takes no more room than it needs.
        let row_heights: Vec<usize> = pictures
            .chunks(columns)
            .map(|row| row.iter().map(Picture::height).max().unwrap_or(0) + TITLE_HEIGHT + MARGIN)
            .collect();

        let pitch = self.cell_size.saturating_add(MARGIN);
        let width = columns.saturating_mul(pitch).saturating_add(MARGIN);
        let header = if self.title.is_some() { MARGIN + MAIN_TITLE_SIZE as usize + 4 } else { MARGIN / 2 };
        let height = row_heights.iter().fold(header, |sum, &row| sum.saturating_add(row)) + 2;
        let mut canvas = Picture::filled(width, height, WHITE)?;
        if let Some(title) = &self.title {
            let available = (width - 2 * MARGIN) as f32;
            let baseline = (MARGIN as f32) + MAIN_TITLE_SIZE * 0.8;
            text::draw_centred(&mut canvas, title, width as f32 / 2.0, baseline, MAIN_TITLE_SIZE, available);
        }
        let mut top = header;
        for ((tiles, pictures), row_height) in
            self.tiles.chunks(columns).zip(pictures.chunks(columns)).zip(&row_heights)
        {
            for (column, (tile, picture)) in tiles.iter().zip(pictures).enumerate() {
                let left = MARGIN + column * pitch;
                let centre = left as f32 + self.cell_size as f32 / 2.0;
                let baseline = (top + TITLE_HEIGHT - 7) as f32;
                text::draw_centred(
                    &mut canvas,
                    &tile.title,
                    centre,
                    baseline,
                    TITLE_SIZE,
                    self.cell_size as f32,
                );
                let x = left + (self.cell_size - picture.width()) / 2;
                let y = top + TITLE_HEIGHT;
                canvas.fill_rectangle(x - 1, y - 1, picture.width() + 2, picture.height() + 2, INK);
                canvas.paste(picture, x, y);
            }
            top += row_height;
        }
        Ok(canvas)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tile(width: usize, height: usize, colour: [u8; 3]) -> Panel {
        Panel::new(format!("{width}×{height}"), Picture::filled(width, height, colour).unwrap())
    }

    #[test]
    fn every_tile_is_on_the_sheet_at_its_size() {
        let tiles = vec![tile(10, 10, [200, 0, 0]), tile(100, 5, [0, 200, 0]), tile(500, 250, [0, 0, 200])];
        let sheet = ContactSheet { columns: Some(2), cell_size: 100, ..ContactSheet::new(tiles) };
        let picture = sheet.render().unwrap();
        let count = |colour| picture.rgb().chunks_exact(3).filter(|&pixel| pixel == colour).count();
        assert_eq!(count([200, 0, 0]), 100 * 100);
        assert_eq!(count([0, 200, 0]), 100 * 5);
        assert_eq!(count([0, 0, 200]), 100 * 50);
    }

    #[test]
    fn impossible_layouts_are_errors() {
        assert!(ContactSheet::default().render().is_err());
        let sheet = ContactSheet::new(vec![tile(2, 2, [0; 3])]);
        assert!(ContactSheet { columns: Some(0), ..sheet.clone() }.render().is_err());
        assert!(ContactSheet { cell_size: 0, ..sheet.clone() }.render().is_err());
        assert!(ContactSheet { cell_size: usize::MAX, ..sheet }.render().is_err());
    }
}
