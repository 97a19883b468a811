//! Parameters and arrays of `explain` and `metric`, as they are written on the command line.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use deepinside::attribution::Given;
use deepinside::files::{Array, npy};

use crate::failure::{Failure, Outcome};
use crate::{output, pictures, record};

/// Parameters as they are written; what ends in .npy is an array, a folder of weights several.
pub fn given(texts: &[String]) -> Outcome<BTreeMap<String, Given>> {
    let mut given = BTreeMap::new();
    for text in texts {
        let (name, value) = text
            .split_once('=')
            .ok_or_else(|| Failure::Message(format!("expected --set NAME=VALUE, found '{text}'")))?;
        let path = Path::new(value);
        let value = match name {
            // The one parameter that is a folder of arrays.
            "weights" if path.is_dir() => Given::Arrays(read_folder(path)?),
            _ if value.ends_with(".npy") => Given::Array(Arc::new(read_recorded(path)?)),
            _ => Given::Text(value.to_owned()),
        };
        if given.insert(name.to_owned(), value).is_some() {
            return Err(Failure::Message(format!("--set {name} is given twice")));
        }
    }
    Ok(given)
}

pub fn read_recorded(path: &Path) -> Outcome<Array> {
    record::input(path)?;
    Ok(npy::read(path)?)
}

/// An array that a target names.
pub fn named_array(name: &str) -> deepinside::Result<Array> {
    record::input(Path::new(name)).map_err(|failure| deepinside::Error::Option(failure.to_string()))?;
    Ok(npy::read(name)?)
}

/// An array as the network reads it, without a batch axis, channels first.
pub fn read_array(path: &Path) -> Outcome<Array> {
    let array = read_recorded(path)?;
    let (first, second, third) = match *array.shape() {
        [first, second, third] | [1, first, second, third] => (first, second, third),
        _ => {
            return Err(Failure::Message(format!(
                "{}: expected an array of C × H × W or 1 × C × H × W numbers (or H × W × C, with 1 or 3 channels), found shape {:?}",
                path.display(),
                array.shape()
            )));
        }
    };
    // A network reads one channel or three, so these can only be channels that come last.
    if matches!(third, 1 | 3) && !matches!(first, 1 | 3) {
        let places = first * second;
        let numbers = (0..third).flat_map(|channel| (0..places).map(move |place| place * third + channel));
        let numbers: Vec<f32> = numbers.map(|position| array.data()[position]).collect();
        return Ok(Array::new([third, first, second], numbers)?);
    }
    Ok(Array::new([first, second, third], array.data().to_vec())?)
}

/// The arrays of a folder, by their names without the ending.
fn read_folder(folder: &Path) -> Outcome<BTreeMap<String, Array>> {
    let mut arrays = BTreeMap::new();
    for path in pictures::expand(&[folder.join("*.npy").into_os_string()])? {
        arrays.insert(output::stem(&path), npy::read(&path)?);
    }
    Ok(arrays)
}
