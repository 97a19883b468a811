//! Networks of programs whose files are neither ONNX nor Caffe, and ONNX networks written as text: what they are, and the remedy.

use std::path::Path;

/// What a file is, and how it becomes a network that is read, for the file's own name in the place of `PATH`.
pub(super) fn of(bytes: &[u8], length: u64, name: &str) -> Option<&'static str> {
    if length == 0 {
        return Some("an empty file; fetch or export the network again");
    }
    // Of a description that is longer than any, its length is said.
    let is_long_text = extension(name) == "prototxt" && length > bytes.len() as u64;
    if bytes.len() >= 64 && bytes.iter().all(|&byte| byte == 0) && !is_long_text {
        return Some(
            "a file that begins with zeros alone, as an interrupted download leaves it; fetch or export the network again",
        );
    }
    if super::is_binary(bytes) { of_binary(bytes, name) } else { of_text(bytes, name) }
}

fn extension(name: &str) -> String {
    Path::new(name).extension().unwrap_or_default().to_string_lossy().to_lowercase()
}

fn of_text(bytes: &[u8], name: &str) -> Option<&'static str> {
    let text = String::from_utf8_lossy(bytes).to_lowercase();
    let text = text.trim_start_matches('\u{feff}').trim_start();
    let holds = |words: &[&str]| words.iter().all(|word| text.contains(word));
    let begins = |word: &str| text.starts_with(word);
    Some(match extension(name).as_str() {
        _ if begins("ir_version") => {
            "an ONNX network in the text form of protocol buffers; write the binary form with \
             `python -c \"import onnx; onnx.save(onnx.load('PATH', format='textproto'), 'network.onnx')\"`"
        }
        _ if begins("<") && holds(&["ir_version", ":"]) => {
            "an ONNX network in ONNX's text form; write the binary form with \
             `python -c \"import onnx; onnx.save(onnx.load('PATH', format='onnxtxt'), 'network.onnx')\"`"
        }
        _ if begins("{") && holds(&["\"irversion\""]) => {
            "an ONNX network as JSON; write the binary form with \
             `python -c \"import onnx; onnx.save(onnx.load('PATH', format='json'), 'network.onnx')\"`"
        }
        _ if begins("node {") || begins("node{") => {
            "a TensorFlow graph as text; write it as a binary graph (`tf.io.write_graph(graph, '.', 'graph.pb', as_text=False)`), and an ONNX \
             file of that with `python -m tf2onnx.convert --graphdef graph.pb --inputs INPUT:0 --outputs OUTPUT:0 --output network.onnx`"
        }
        _ if begins("saved_model_schema_version") => {
            "a TensorFlow SavedModel as text; write an ONNX file with `python -m tf2onnx.convert --saved-model FOLDER --output network.onnx`"
        }
        _ if begins("7767517") => {
            "ncnn's description of a network, which is not read; give the .onnx or .prototxt file that it was converted from"
        }
        _ if begins("[net]") || begins("[network]") => {
            "Darknet's description of a network (.cfg), which is not read; write an ONNX file of it in PyTorch, as with the export of \
             Ultralytics (`yolo export model=WEIGHTS format=onnx`) or a converter for its generation"
        }
        _ if begins("{") && holds(&["modeltopology"]) || holds(&["tfjs"]) && begins("{") => {
            "a network of TensorFlow.js; convert it back with `tensorflowjs_converter --input_format=tfjs_layers_model \
             --output_format=keras PATH network.h5`, and write an ONNX file of that with `python -m tf2onnx.convert --keras`"
        }
        _ if begins("{") && holds(&["\"class_name\"", "\"config\""]) => {
            "a Keras network's architecture without its weights; load both in Python and write an ONNX file with \
             `model.export(\"network.onnx\", format=\"onnx\")`"
        }
        _ if begins("{") && holds(&["\"nodes\"", "\"arg_nodes\""]) => {
            "MXNet's description of a network; write an ONNX file with `mxnet.onnx.export_model('PATH', PARAMS, [(1, 3, 224, 224)], \
             [numpy.float32], 'network.onnx')`"
        }
        _ if begins("{") && holds(&["base_code", "\"program\""]) => PADDLE,
        _ if begins("{") => "a JSON file and no network; networks are read from .onnx or .prototxt",
        "onnx" if !["layer", "name:", "input"].iter().any(|word| text.contains(word)) => {
            "text and no ONNX network, as a server sends in place of a file that it does not have; fetch or export the network again"
        }
        _ => return None,
    })
}

const PADDLE: &str = "a network of PaddlePaddle; write an ONNX file with \
                      `paddle2onnx --model_dir FOLDER --model_filename PATH --params_filename PARAMS --save_file network.onnx`";

fn of_binary(bytes: &[u8], name: &str) -> Option<&'static str> {
    let begins = |magic: &[u8]| bytes.starts_with(magic);
    let is_checkpoint = || name.contains(".ckpt.") || name.contains(".ckpt-");
    Some(match extension(name).as_str() {
        "mlmodel" => {
            "a Core ML network, which cannot be turned back in general; write an ONNX file of the network that it was converted from"
        }
        "engine" | "trt" | "plan" => TENSOR_RT,
        _ if begins(b"ftrt") || begins(b"ptrt") => TENSOR_RT,
        "pdmodel" | "pdiparams" => PADDLE,
        "solverstate" => {
            "Caffe's state of a training and no network; give the description (.prototxt) with -m and the .caffemodel of the same \
             iteration with --weights"
        }
        "mnn" | "rknn" | "hef" | "dlc" | "tmfile" | "om" | "nb" => {
            "a network compiled for another program, which cannot be turned back; give the .onnx or .prototxt file that it was converted from"
        }
        "params" | "ndarray" if begins(&0x112u64.to_le_bytes()) => {
            "MXNet's weights; write an ONNX file of them and their description with `mxnet.onnx.export_model`"
        }
        // Caffe's begin with the name of the network.
        "weights" if !begins(b"\x0a") => {
            "Darknet's weights, which are not read; write an ONNX file of the network in PyTorch, as with the export of Ultralytics \
             (`yolo export model=PATH format=onnx`) or a converter for its generation"
        }
        "t7" => {
            "a network of Torch 7; load it with `torchfile` or an old PyTorch (`torch.utils.serialization.load_lua`) and write an ONNX file there"
        }
        "index" | "meta" | "data-00000-of-00001" if is_checkpoint() => {
            "a part of a TensorFlow checkpoint; write an ONNX file with `python -m tf2onnx.convert --checkpoint NAME.meta --inputs INPUT:0 \
             --outputs OUTPUT:0 --output network.onnx`"
        }
        _ if begins(b"MATLAB 5.0") => {
            "a MATLAB file; write an ONNX file in MATLAB with `exportONNXNetwork(net, 'network.onnx')`"
        }
        _ => return None,
    })
}

const TENSOR_RT: &str = "a TensorRT engine, which is compiled for one graphics card and cannot be turned back; give the .onnx file that it was made of";

/// What a folder without a network that is read holds, and the remedy.
pub(crate) fn of_folder(folder: &Path) -> Option<&'static str> {
    let has = |name: &str| folder.join(name).exists();
    Some(match () {
        () if has("saved_model.pb") || has("saved_model.pbtxt") => {
            "a TensorFlow SavedModel; write an ONNX file with `python -m tf2onnx.convert --saved-model PATH --output network.onnx`"
        }
        () if has("Manifest.json") && has("Data") => {
            "a Core ML package, which cannot be turned back in general; write an ONNX file of the network that it was converted from"
        }
        () if has("config.json") && (has("model.safetensors") || has("pytorch_model.bin")) => {
            "a model of Hugging Face without an ONNX file; write one with `optimum-cli export onnx --model PATH OUT`"
        }
        () if has("model.pdmodel") || has("inference.pdmodel") || has("inference.json") => PADDLE,
        () => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Beginnings as the programs write them; all were "unexpected characters", "unknown forms" or Caffe's weights.
    #[test]
    fn networks_of_other_programs_are_named() {
        let cases: [(&[u8], &str, &str); 20] = [
            (b"ir_version: 8\ngraph {\n  node {", "net.pbtxt", "format='textproto'"),
            (
                b"<\n   ir_version: 8,\n   opset_import: [\"\" : 17]\n>\ng (float[1] x) => (float[1] y)",
                "net.onnxtxt",
                "format='onnxtxt'",
            ),
            (b"{\n  \"irVersion\": \"8\",\n  \"graph\": {", "net.json", "format='json'"),
            (
                b"node {\n  name: \"input\"\n  op: \"Placeholder\"\n}",
                "graph.pbtxt",
                "TensorFlow graph as text",
            ),
            (b"7767517\n75 83\nInput data 0 1 data", "net.param", "ncnn"),
            (b"[net]\nbatch=1\n[convolutional]\n", "yolo.cfg", "Darknet"),
            (b"\0\0\0\0\x02\0\0\0\x05\0\0\0", "yolo.weights", "Darknet"),
            (b"{\"format\": \"layers-model\", \"modelTopology\": {}}", "model.json", "TensorFlow.js"),
            (b"{\"class_name\": \"Functional\", \"config\": {}}", "model.json", "Keras"),
            (b"{\"nodes\": [], \"arg_nodes\": [0]}", "net-symbol.json", "MXNet"),
            (b"{\"base_code\":{\"magic\":\"pir\"},\"program\":{}}", "inference.json", "PaddlePaddle"),
            (b"{\"error\": \"not found\"}", "model.onnx", "a JSON file"),
            (b"Entry not found", "model.onnx", "text and no ONNX network"),
            (b"ftrt\0\0\0\0\x01", "m.bin", "TensorRT"),
            (b"\x08\x04\x12\x8a\x01\x0a\x20", "m.mlmodel", "Core ML"),
            (b"\x0a\xbc\x10\x08\0", "m.pdmodel", "PaddlePaddle"),
            (b"\x08\x90\x4e\x12\x10", "m.solverstate", "state of a training"),
            (b"\x12\x01\0\0\0\0\0\0\0\0\0\0", "net-0001.params", "MXNet"),
            (b"MATLAB 5.0 MAT-file\0", "net.mat", "MATLAB"),
            (&[0; 100], "model.onnx", "begins with zeros"),
        ];
        for (bytes, name, expected) in cases {
            let found = of(bytes, bytes.len() as u64, name);
            assert!(found.is_some_and(|what| what.contains(expected)), "{name}: {found:?}");
        }
        assert!(of(b"", 0, "model.onnx").is_some_and(|what| what.contains("empty")));
        for (bytes, name) in [
            (&b"name: \"net\"\nlayer { }"[..], "net.prototxt"),
            (b"\x08\x08\x12\x07pytorch", "model.onnx"),
            (b"\n\x09CaffeNet\xa2\x06\x30", "net.caffemodel"),
        ] {
            assert_eq!(of(bytes, bytes.len() as u64, name), None, "{name}");
        }
    }
}
