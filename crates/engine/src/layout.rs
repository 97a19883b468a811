//! How the elements of a value lie in memory.

use deepinside_graph::Shape;

/// The order of the axes in memory, outermost first.
///
/// Kernels work on *physical* extents: the shape's extents in memory order. An axis of the shape has another position
/// there when the layout moves it, see [`Layout::axis`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Layout {
    /// As in the shape: `N × C × H × W` in C order.
    Plain,
    /// The channel axis (1) moved to the end: `N × H × W × C`; for three axes and more.
    ChannelsLast,
}

impl Layout {
    /// The extents in memory order.
    pub fn extents(self, shape: &Shape) -> Vec<usize> {
        let mut extents = shape.extents().to_vec();
        if self == Self::ChannelsLast && extents.len() > 2 {
            extents[1..].rotate_left(1);
        }
        extents
    }

    /// The position in memory order of an axis of the shape.
    pub fn axis(self, axis: usize, rank: usize) -> usize {
        match (self, axis) {
            (Self::ChannelsLast, 1) if rank > 2 => rank - 1,
            (Self::ChannelsLast, 2..) => axis - 1,
            _ => axis,
        }
    }

    /// Whether two layouts put the elements of such a shape in the same order.
    pub fn equivalent(self, other: Self, shape: &Shape) -> bool {
        let extents = shape.extents();
        self == other || extents.len() < 3 || extents[1] == 1 || extents[2..].iter().product::<usize>() == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moves_the_channels_behind_the_spatial_axes() {
        let shape = Shape::new([2, 3, 4, 5]).unwrap();
        assert_eq!(Layout::Plain.extents(&shape), [2, 3, 4, 5]);
        assert_eq!(Layout::ChannelsLast.extents(&shape), [2, 4, 5, 3]);
        let axes: Vec<usize> = (0..4).map(|axis| Layout::ChannelsLast.axis(axis, 4)).collect();
        assert_eq!(axes, [0, 3, 1, 2]);
        assert_eq!((0..2).map(|axis| Layout::ChannelsLast.axis(axis, 2)).collect::<Vec<_>>(), [0, 1]);
    }
}
