//! Weights in HDF5 form (`.caffemodel.h5`): a group `data` with one group for each layer, and in that the arrays as
//! data sets named 0, 1, 2 and so on.

use bytes::Bytes;
use deepinside_graph::DataType;
use hdf5_reader::{ByteOrder, Dataset, Datatype, Hdf5File, OpenOptions, error::Error, group::Group};

use super::{LayerWeights, MAX_LAYERS, WeightBlob, WeightFile};
use crate::error::CaffeError;

/// Layers whose names have slashes (`fire2/squeeze1x1`) are nested groups; no name has more parts than this.
const MAX_DEPTH: usize = 16;

/// Reads the weights. The arrays are copies, because HDF5 may store them in compressed pieces.
pub(super) fn read(bytes: Bytes) -> Result<WeightFile, CaffeError> {
    // Caffe stores arrays plainly. Other tools may compress them, which gains little on weights; whatever claims to be
    // much larger than its file is not weights.
    let budget = bytes.len().saturating_mul(16);
    let options = OpenOptions { max_read_bytes: budget, max_chunk_bytes: budget, ..OpenOptions::default() };
    let file = Hdf5File::from_owner(bytes, options).map_err(message)?;
    let data = file.group("/data").map_err(|error| CaffeError::Hdf5 {
        message: format!("there is no group 'data', which Caffe puts the weights in ({error})"),
    })?;
    let mut walk = Walk { layers: Vec::new(), groups: 0, budget };
    walk.group(&data, "", 0)?;
    if walk.layers.is_empty() {
        return Err(CaffeError::Hdf5 { message: "the group 'data' is empty".to_owned() });
    }
    Ok(WeightFile { name: String::new(), layers: walk.layers, file: None })
}

struct Walk {
    layers: Vec<LayerWeights>,
    /// How many groups have been seen; links may make the same group appear again and again.
    groups: usize,
    /// How many bytes of values may still be read.
    budget: usize,
}

impl Walk {
    /// Visits a group whose layer is called `name`, empty for the outermost.
    fn group(&mut self, group: &Group, name: &str, depth: usize) -> Result<(), CaffeError> {
        self.groups += 1;
        if self.groups > MAX_LAYERS || depth > MAX_DEPTH {
            return Err(CaffeError::Hdf5 {
                message: "the groups are too many or nested too deep".to_owned(),
            });
        }
        let (groups, datasets) = group.members().map_err(message)?;
        if depth > 0 && (!datasets.is_empty() || groups.is_empty()) {
            let mut blobs = Vec::new();
            // The arrays are numbered without gaps; anything else in the group is no array of Caffe's.
            for index in 0..datasets.len() {
                let wanted = index.to_string();
                let Some(dataset) = datasets.iter().find(|dataset| dataset.name() == wanted) else {
                    break;
                };
                blobs.push(self.blob(dataset, name, index)?);
            }
            self.layers.push(LayerWeights { name: name.to_owned(), kind: String::new(), blobs });
        }
        for child in groups {
            let name = if depth == 0 { child.name().to_owned() } else { format!("{name}/{}", child.name()) };
            self.group(&child, &name, depth + 1)?;
        }
        Ok(())
    }

    fn blob(&mut self, dataset: &Dataset, layer: &str, index: usize) -> Result<WeightBlob, CaffeError> {
        let wrong = |message: String| CaffeError::Blob { layer: layer.to_owned(), index, message };
        let data_type = match dataset.dtype() {
            Datatype::FloatingPoint { size: 4, byte_order: ByteOrder::LittleEndian } => DataType::F32,
            Datatype::FloatingPoint { size: 8, byte_order: ByteOrder::LittleEndian } => DataType::F64,
            other => {
                return Err(wrong(format!("expected little-endian floats of 4 or 8 bytes, found {other:?}")));
            }
        };
        let shape: Result<Vec<usize>, _> =
            dataset.shape().iter().map(|length| usize::try_from(*length)).collect();
        let shape = shape.map_err(|_| wrong("a length is beyond this machine's range".to_owned()))?;
        let expected =
            shape.iter().try_fold(data_type.size(), |product, length| product.checked_mul(*length));
        let left = expected.and_then(|size| self.budget.checked_sub(size));
        let (Some(expected), Some(left)) = (expected, left) else {
            return Err(wrong(format!("the shape {shape:?} is far larger than the file")));
        };
        self.budget = left;
        let bytes = dataset.read_raw_bytes().map_err(|error| wrong(error.to_string()))?;
        if bytes.len() != expected {
            return Err(wrong(format!("the shape {shape:?} does not fit the {} bytes stored", bytes.len())));
        }
        Ok(WeightBlob { shape, legacy: false, data_type, bytes: bytes.into() })
    }
}

fn message(error: Error) -> CaffeError {
    CaffeError::Hdf5 { message: error.to_string() }
}
