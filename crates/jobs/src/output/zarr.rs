//! A Zarr array, version 3: photographs × the extents of a map, float32, one photograph a chunk, without compression.
//!
//! <https://zarr-specs.readthedocs.io/en/latest/v3/core/index.html>. A chunk is a file with its numbers in C order; where a photograph has no
//! result there is none, and readers see NaN. So the chunks of shards go into one folder as they are, and a job that goes on
//! writes those that are missing.

use serde_json::json;

/// The array's folder within the results.
pub const FOLDER: &str = "maps";

/// What describes the array, within the results.
pub const METADATA: &str = "maps/zarr.json";

/// The file of a photograph's chunk within the results.
pub fn chunk(row: u64, shape: &[u32]) -> String {
    format!("{FOLDER}/c/{row}{}", "/0".repeat(shape.len()))
}

/// What describes an array of so many photographs with maps of this shape.
pub fn metadata(photographs: u64, shape: &[u32]) -> String {
    let extents = |first: u64| -> Vec<u64> {
        std::iter::once(first).chain(shape.iter().map(|&extent| extent.into())).collect()
    };
    let described = json!({
        "zarr_format": 3,
        "node_type": "array",
        "shape": extents(photographs),
        "data_type": "float32",
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": extents(1)}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": "NaN",
        "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}],
        "attributes": {},
    });
    format!("{described:#}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_is_one_photograph() {
        assert_eq!(chunk(12, &[227, 227]), "maps/c/12/0/0");
        assert_eq!(chunk(0, &[64, 7, 7]), "maps/c/0/0/0/0");
        let known: serde_json::Value = serde_json::from_str(&metadata(500, &[7, 9])).unwrap();
        assert_eq!(known["shape"], json!([500, 7, 9]));
        assert_eq!(known["chunk_grid"]["configuration"]["chunk_shape"], json!([1, 7, 9]));
    }
}
