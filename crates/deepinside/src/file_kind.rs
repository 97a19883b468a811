//! Files that are no network which is read here: what they are, by their bytes, and how they become one.

mod foreign;

pub(crate) use self::foreign::of_folder;

use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;

use crate::{Error, Result};

/// What a file is, as far as its first and last bytes and its name tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileKind {
    GitLfsPointer,
    TorchCheckpoint,
    TorchScript,
    TorchExport,
    Pickle,
    Keras,
    KerasHdf5,
    TensorFlowGraph,
    TensorFlowSaved,
    TensorFlowLite,
    SafeTensors,
    OnnxRuntime,
    Gguf,
    NumPy,
    Zip,
    Compressed,
    WebPage,
    Picture,
    Xml,
    /// Another program's, with what it is and the remedy.
    Foreign(&'static str),
    Onnx,
    CaffeWeights,
    CaffeDescription,
    Unknown,
}

use FileKind as Kind;

/// How much of a file is looked at, at either end.
const ENDS: usize = 1 << 16;

impl FileKind {
    /// Looks at a file.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn of_file(path: &Path) -> Result<Self> {
        let io = |source| Error::Io { path: path.to_owned(), source };
        // Devices and pipes are refused by their readers, and are not read ahead.
        if !std::fs::metadata(path).map_err(io)?.is_file() {
            return Ok(Kind::Unknown);
        }
        let mut file = std::fs::File::open(path).map_err(io)?;
        let mut bytes = Vec::new();
        // Nothing is read beyond the length: /proc/kmsg has none, and a reader waits there for ever.
        let length = file.metadata().map_err(io)?.len();
        (&mut file).take(length.min(ENDS as u64)).read_to_end(&mut bytes).map_err(io)?;
        if length > ENDS as u64 {
            file.seek(SeekFrom::Start(length.saturating_sub(ENDS as u64))).map_err(io)?;
            file.take(ENDS as u64).read_to_end(&mut bytes).map_err(io)?;
        }
        Ok(Self::of(&bytes, length, &path.to_string_lossy()))
    }

    /// Looks at the bytes of a file, all or those at either end, and where they tell nothing at its name.
    pub fn of(bytes: &[u8], length: u64, name: &str) -> Self {
        let begins = |magic: &[u8]| bytes.starts_with(magic);
        let at =
            |offset: usize, magic: &[u8]| bytes.get(offset..).is_some_and(|rest| rest.starts_with(magic));
        let extension = name.rsplit('.').next().unwrap_or_default().to_lowercase();
        let text = String::from_utf8_lossy(&bytes[..bytes.len().min(512)]).trim_start().to_lowercase();
        if begins(b"version https://git-lfs") {
            Kind::GitLfsPointer
        } else if begins(b"PK\x03\x04") || begins(b"PK\x05\x06") {
            zip(bytes, name)
        } else if begins(b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.") {
            Kind::TorchCheckpoint
        } else if begins(b"\x80") && bytes.get(1).is_some_and(|version| (2..=5).contains(version)) {
            if matches!(extension.as_str(), "pt" | "pth" | "bin" | "ckpt") {
                Kind::TorchCheckpoint
            } else {
                Kind::Pickle
            }
        } else if begins(b"\x89HDF\r\n\x1a\n") {
            // Caffe's weights in this form have nothing of Keras in them.
            if contains(bytes, b"keras") || matches!(extension.as_str(), "keras" | "hdf5") {
                Kind::KerasHdf5
            } else {
                Kind::CaffeWeights
            }
        } else if at(4, b"TFL3") {
            Kind::TensorFlowLite
        } else if at(4, b"ORTM") {
            Kind::OnnxRuntime
        } else if begins(b"GGUF") {
            Kind::Gguf
        } else if begins(b"\x93NUMPY") {
            Kind::NumPy
        } else if is_safe_tensors(bytes, length) {
            Kind::SafeTensors
        } else if begins(b"\x1f\x8b")
            || begins(b"BZh")
            || begins(b"\xfd7zXZ")
            || begins(b"\x28\xb5\x2f\xfd")
            || at(257, b"ustar")
        {
            Kind::Compressed
        } else if text.starts_with("<!doctype html") || text.starts_with("<html") {
            Kind::WebPage
        } else if begins(b"\x89PNG")
            || begins(b"\xff\xd8\xff")
            || begins(b"GIF8")
            || (begins(b"RIFF") && at(8, b"WEBP"))
        {
            Kind::Picture
        } else if text.starts_with("<?xml") || text.starts_with("<net ") {
            Kind::Xml
        } else if let Some(what) = foreign::of(bytes, length, name) {
            Kind::Foreign(what)
        } else if extension == "pb" && begins(b"\x08\x01\x12") {
            Kind::TensorFlowSaved
        } else if is_tensor_flow_graph(bytes) || extension == "pb" && begins(b"\x0a") {
            Kind::TensorFlowGraph
        } else if begins(b"\x08") && bytes.get(1).is_some_and(|version| (1..=64).contains(version)) {
            Kind::Onnx
        } else if begins(b"\x0a") && is_binary(bytes) {
            Kind::CaffeWeights
        } else if !bytes.is_empty()
            && !is_binary(bytes)
            && ["layer", "name:", "input"].iter().any(|word| text.contains(word))
        {
            Kind::CaffeDescription
        } else {
            match extension.as_str() {
                "tflite" => Kind::TensorFlowLite,
                "safetensors" => Kind::SafeTensors,
                _ => Kind::Unknown,
            }
        }
    }

    /// What the file is, and how it becomes a network that is read; `None` for those that are, and for unknown ones.
    fn remedy(self, path: &str) -> Option<String> {
        Some(match self {
            Kind::Onnx | Kind::CaffeDescription | Kind::Unknown => return None,
            Kind::Foreign(what) => what.replace("PATH", path),
            Kind::CaffeWeights => "weights in Caffe's form (.caffemodel); give them with --weights, and with -m the \
                                   description (.prototxt) that belongs to them"
                .to_owned(),
            Kind::GitLfsPointer => {
                "a Git LFS pointer and not the file itself; fetch it with `git lfs pull`".to_owned()
            }
            Kind::TorchCheckpoint => {
                "a PyTorch checkpoint, whose network is Python code; load it there and write an ONNX file with \
                 `torch.onnx.export(model.eval(), torch.zeros(1, 3, 224, 224), \"network.onnx\")`"
                    .to_owned()
            }
            Kind::TorchScript => format!(
                "a TorchScript network; write an ONNX file with `torch.onnx.export(torch.jit.load(\"{path}\").eval(), \
                 (torch.zeros(1, 3, 224, 224),), \"network.onnx\", dynamo=False)`"
            ),
            Kind::TorchExport => format!(
                "a program of torch.export; write an ONNX file with \
                 `torch.onnx.export(torch.export.load(\"{path}\"), dynamo=True).save(\"network.onnx\")`"
            ),
            Kind::Pickle => {
                "a Python pickle; load it in Python and write an ONNX file there, as with `torch.onnx.export` or `skl2onnx`"
                    .to_owned()
            }
            Kind::Keras => format!(
                "a Keras network; write an ONNX file with \
                 `keras.models.load_model(\"{path}\").export(\"network.onnx\", format=\"onnx\")`"
            ),
            Kind::KerasHdf5 => format!(
                "a Keras network in HDF5; write an ONNX file with \
                 `python -m tf2onnx.convert --keras \"{path}\" --output network.onnx`"
            ),
            Kind::TensorFlowGraph => format!(
                "a TensorFlow graph; write an ONNX file with `python -m tf2onnx.convert --graphdef \"{path}\" --inputs \
                 INPUT:0 --outputs OUTPUT:0 --output network.onnx`"
            ),
            Kind::TensorFlowSaved => {
                "a TensorFlow SavedModel; write an ONNX file with `python -m tf2onnx.convert --saved-model FOLDER --output \
                 network.onnx`"
                    .to_owned()
            }
            Kind::TensorFlowLite => format!(
                "a TensorFlow Lite network; write an ONNX file with `python -m tf2onnx.convert --tflite \"{path}\" --output \
                 network.onnx`"
            ),
            Kind::SafeTensors => {
                "weights in safetensors, without a network; write an ONNX file with `optimum-cli export onnx --model FOLDER \
                 OUT` (Hugging Face), or load them in Python and call `torch.onnx.export`"
                    .to_owned()
            }
            Kind::OnnxRuntime => "a network in ONNX Runtime's own form (.ort); give the .onnx file that it was made of".to_owned(),
            Kind::Gguf => "a GGUF file of a language model; networks that take a picture are read from .onnx or .prototxt".to_owned(),
            Kind::NumPy => "a NumPy array and no network; networks are read from .onnx or .prototxt".to_owned(),
            Kind::Zip => "a zip archive; unpack it and name the .onnx or .prototxt file within".to_owned(),
            Kind::Compressed => "a compressed archive; unpack it and name the .onnx or .prototxt file within".to_owned(),
            Kind::WebPage => "a web page, as servers send it in place of a file; fetch the file itself again".to_owned(),
            Kind::Picture => "a picture; name the network with -m and pictures without a flag".to_owned(),
            Kind::Xml => "an XML file, as OpenVINO's networks are; give the .onnx file that it was made of".to_owned(),
        })
    }

    /// # Errors
    /// When a file that shall be a network is something else that is known: what, and the remedy.
    pub fn expect_network(self, path: &Path) -> Result<()> {
        let shown = path.display().to_string();
        match self.remedy(&shown) {
            Some(remedy) => Err(Error::Model(format!("{shown} is {remedy}"))),
            None => Ok(()),
        }
    }

    /// # Errors
    /// When a file that shall be a description's weights is something else that is known.
    pub fn expect_weights(self, path: &Path) -> Result<()> {
        let shown = path.display().to_string();
        let what = match self {
            Kind::CaffeWeights | Kind::Unknown => return Ok(()),
            Kind::Onnx => {
                "a network in ONNX form, which holds its weights; give it with -m, without --weights"
                    .to_owned()
            }
            Kind::CaffeDescription => {
                "a network description; give it with -m, and with --weights the .caffemodel".to_owned()
            }
            Kind::GitLfsPointer | Kind::Compressed | Kind::Zip | Kind::WebPage | Kind::Foreign(_) => {
                self.remedy(&shown).unwrap_or_default()
            }
            _ => format!("no Caffe weights (.caffemodel) but {}", self.remedy(&shown).unwrap_or_default()),
        };
        Err(Error::Model(format!("{shown} is {what}")))
    }
}

/// What a zip archive holds, by the names of its entries, which stand in its bytes as they are.
fn zip(bytes: &[u8], name: &str) -> FileKind {
    let holds = |entry: &[u8]| contains(bytes, entry);
    let extension = name.split('.').skip(1).map(str::to_lowercase);
    let is_called = |names: &[&str]| extension.clone().any(|part| names.contains(&part.as_str()));
    if holds(b"exported_program") || holds(b"archive_format") || is_called(&["pt2"]) {
        Kind::TorchExport
    } else if holds(b"/code/") && holds(b"constants.pkl") {
        Kind::TorchScript
    } else if holds(b"data.pkl") || is_called(&["pt", "pth", "ckpt", "bin"]) {
        Kind::TorchCheckpoint
    } else if holds(b"model.weights.h5") || is_called(&["keras"]) {
        Kind::Keras
    } else if is_called(&["npz"]) {
        Kind::NumPy
    } else {
        Kind::Zip
    }
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// Eight bytes with the length of a JSON object, and that object.
fn is_safe_tensors(bytes: &[u8], length: u64) -> bool {
    let Some((header, rest)) = bytes.split_first_chunk::<8>() else { return false };
    u64::from_le_bytes(*header) < length && rest.starts_with(b"{")
}

/// A list of nodes, each of which begins with its name and then its operator: the text of a Caffe network's name begins
/// no such message.
fn is_tensor_flow_graph(bytes: &[u8]) -> bool {
    const FIRST_FIELD: u8 = 0x0a;
    const SECOND_FIELD: u8 = 0x12;
    let Some((&FIRST_FIELD, rest)) = bytes.split_first() else { return false };
    let Some(digits) = rest.iter().position(|byte| byte & 0x80 == 0) else { return false };
    let Some([FIRST_FIELD, name, node @ ..]) = rest.get(digits + 1..) else { return false };
    node.get(usize::from(*name)) == Some(&SECOND_FIELD)
        && node.get(usize::from(*name) + 2).is_some_and(u8::is_ascii_uppercase)
}

/// Whether the beginning holds bytes that no text has.
fn is_binary(bytes: &[u8]) -> bool {
    let start = &bytes[..bytes.len().min(512)];
    start.iter().any(|byte| byte.is_ascii_control() && !byte.is_ascii_whitespace())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(bytes: &[u8], name: &str) -> FileKind {
        FileKind::of(bytes, bytes.len() as u64, name)
    }

    /// The beginnings that the programs write: Git LFS's specification, `torch.save`, `jit.save`, `export.save`,
    /// `model.save` of Keras, TensorFlow's GraphDef, FlatBuffers' identifiers, safetensors' header.
    #[test]
    fn files_are_known_by_their_bytes_whatever_their_names() {
        let graph_def = b"\x0a\x1a\x0a\x05input\x12\x0bPlaceholder*\x04\x0a\x00\x12\x00";
        let cases: [(&[u8], FileKind); 17] = [
            (b"version https://git-lfs.github.com/spec/v1\noid sha256:aa\nsize 1\n", Kind::GitLfsPointer),
            (b"PK\x03\x04\0\0\0\0net/data.pkl", Kind::TorchCheckpoint),
            (b"PK\x03\x04\0\0net/data.pkl..net/code/__torch__.py..net/constants.pkl", Kind::TorchScript),
            (b"PK\x03\x04\0\0serialized_exported_program.json", Kind::TorchExport),
            (b"PK\x03\x04\0\0metadata.json..config.json..model.weights.h5", Kind::Keras),
            (b"PK\x03\x04\0\0readme.md", Kind::Zip),
            (b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M", Kind::TorchCheckpoint),
            (b"\x80\x04\x95\x10\0", Kind::Pickle),
            (b"\x89HDF\r\n\x1a\n....keras_version", Kind::KerasHdf5),
            (b"\x89HDF\r\n\x1a\n....data....conv1", Kind::CaffeWeights),
            (b"\x1c\0\0\0TFL3\0", Kind::TensorFlowLite),
            (b"\x10\0\0\0\0\0\0\0{\"a\":{\"dtype\":\"F32\"}}", Kind::SafeTensors),
            (graph_def, Kind::TensorFlowGraph),
            (b"\n\x09CaffeNet\xa2\x06\x30\x0a\x04data\x12\x05Input\0\0", Kind::CaffeWeights),
            (b"\x08\x08\x12\x07pytorch", Kind::Onnx),
            (b"\nname: \"net\"\nlayer { }", Kind::CaffeDescription),
            (b"<!DOCTYPE html><html>", Kind::WebPage),
        ];
        for (bytes, expected) in cases {
            assert_eq!(kind(bytes, "network.onnx"), expected, "{}", String::from_utf8_lossy(bytes));
        }
        assert_eq!(kind(b"PK\x03\x04", "x.pth.onnx"), Kind::TorchCheckpoint);
        assert_eq!(kind(b"\x0a\x05hello", "m.pb"), Kind::TensorFlowGraph);
    }

    #[test]
    fn what_is_no_network_is_named_with_its_remedy() {
        for (kind, expected) in [
            (Kind::GitLfsPointer, "git lfs pull"),
            (Kind::TorchCheckpoint, "torch.onnx.export"),
            (Kind::Keras, "format=\"onnx\""),
            (Kind::TensorFlowGraph, "tf2onnx.convert --graphdef \"a\""),
            (Kind::CaffeWeights, "--weights"),
        ] {
            let message = kind.expect_network(Path::new("a")).unwrap_err().to_string();
            assert!(message.starts_with("a is ") && message.contains(expected), "{message}");
        }
        assert!(Kind::Onnx.expect_network(Path::new("a")).is_ok());
        let message = Kind::Onnx.expect_weights(Path::new("a.onnx")).unwrap_err().to_string();
        assert!(message.contains("with -m, without --weights"), "{message}");
    }
}
