//! Tile: repeats its input along an axis.

use deepinside_graph::op::Tile;

use super::{error::ImportError, importer::Importer, site::Site};

pub(super) fn import(importer: &mut Importer<'_>, site: Site<'_>) -> Result<(), ImportError> {
    let settings = site.parameter().tile_param.unwrap_or_default();
    let input = importer.operand(site, 0)?;
    let axis = site.axis("axis", settings.axis(), importer.shape(input).rank())?;
    let repeats = usize::try_from(settings.tiles()).ok().filter(|tiles| *tiles > 0);
    let repeats = repeats.ok_or_else(|| site.wrong("tiles", "at least 1", settings.tiles()))?;
    importer.top(site, Tile { axis, repeats }, &[input])
}
