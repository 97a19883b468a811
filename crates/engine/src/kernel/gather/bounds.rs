//! What a gathering pass may copy.

use deepinside_graph::Inconsistency;

use super::{Gather, Pass};

impl Gather {
    /// The same, unless what lies between taps, which is copied with them for every block, is far more than what is computed: windows
    /// whose taps lie far apart cost little in their file.
    ///
    /// # Errors
    /// When it is.
    pub fn bounded(self) -> Result<Self, Inconsistency> {
        // About a tenth of a second, and for each product.
        const COPIED: usize = 1 << 28;
        const COPIED_PER_PRODUCT: usize = 4;
        let (grid, inputs) = (self.grid(), self.source.channels / self.groups);
        let across = [self.span(0, 1), self.span(2, grid[2]), inputs, self.units.len()];
        let rows = self.blocks.iter().map(|block| self.span(1, block.rows.len()));
        let copied = across.into_iter().fold(rows.sum(), usize::saturating_mul);
        let positions = grid[2] * self.blocks.iter().map(|block| block.rows.len()).sum::<usize>();
        let taps =
            |pass: &Pass| pass.filters.iter().map(|panels| panels.inner * panels.columns).sum::<usize>();
        let products = self.passes.iter().map(taps).sum::<usize>().saturating_mul(positions);
        let explained = COPIED.max(products.saturating_mul(COPIED_PER_PRODUCT));
        // A block's copy, and where each of its positions reads and writes, on each thread.
        const COPY: usize = 1 << 25;
        const PLACES: usize = 8;
        let highest = self.blocks.iter().map(|block| block.rows.len()).max().unwrap_or(0);
        let copy =
            across[..3].iter().fold(self.span(1, highest), |numbers, extent| numbers.saturating_mul(*extent));
        let places = PLACES.saturating_mul(highest.saturating_mul(grid[2]));
        if self.reads_in_place() && places <= COPY
            || copied <= explained && copy.saturating_add(places) <= COPY
        {
            return Ok(self);
        }
        let (most, copied) =
            if copied > explained { (explained, copied) } else { (COPY, copy.saturating_add(places)) };
        Err(Inconsistency::new(
            "window",
            format!("taps, strides and rows with which at most {most} numbers of the input are copied"),
            copied,
        ))
    }
}
