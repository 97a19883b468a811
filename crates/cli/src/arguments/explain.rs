//! The flags of `deepinside explain`, and its help on methods, which the table of methods writes.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Args;
use deepinside::attribution::{Entry, METHODS, method, presets_of};
use deepinside::drawing::ColourMap;
use deepinside::vision::Crop;

use super::{ModelArguments, RunArguments, View};

#[derive(Debug, Args)]
pub struct ExplainArguments {
    /// Photographs; patterns such as 'photos/*.jpg' are expanded.
    #[arg(required_unless_present_any = ["array", "list"], conflicts_with_all = ["array", "list"])]
    pub photographs: Vec<OsString>,
    /// Instead of photographs, an array as the network reads it (.npy, C × H × W or 1 × C × H × W), whose height and width the network
    /// takes.
    #[arg(long, value_name = "FILE")]
    pub array: Option<PathBuf>,
    /// How: a name that `explain --list` shows; `explain --method NAME --help` shows its parameters.
    #[arg(long, value_name = "NAME", default_value = "gradient")]
    pub method: String,
    /// A parameter of the method, NAME=VALUE; arrays are .npy files. May be given several times.
    #[arg(long, value_name = "NAME=VALUE")]
    pub set: Vec<String>,
    /// The library whose defaults stand for parameters that --set does not give: captum, pytorch-grad-cam, torch-cam, pair, xplique,
    /// zennit, tf-keras-vis. The values are printed. The same as --set preset=NAME.
    #[arg(long, value_name = "NAME")]
    pub preset: Option<String>,
    /// A layer that the method looks at, by the name of its value; by default the last one with positions. May be given several times.
    #[arg(long, value_name = "NAME")]
    pub layer: Vec<String>,
    /// What is explained: a class (281, tabby), p(281) for its probability, a difference (281 - 282), any value of the network by
    /// NumPy's indices (map[15,:,:], sum(map[15,:,:])), or cos(value, FILE.npy). By default the most probable class.
    #[arg(short, long, value_name = "TARGET")]
    pub target: Option<String>,
    /// The part of the photograph: centre, mirrored-centre, whole, top-left, …
    #[arg(long, value_name = "CROP", conflicts_with = "array")]
    pub crop: Option<Crop>,
    /// Where the picture goes: a file, or for several results a folder.
    #[arg(short, long, value_name = "PATH", conflicts_with = "array")]
    pub output: Option<PathBuf>,
    /// Also write the attribution as it is, signed and neither scaled nor smoothed (.npy: C × H × W of the network's input, or rows ×
    /// columns of a layer): a file, or for several results a folder.
    #[arg(long, value_name = "PATH")]
    pub raw: Option<PathBuf>,
    /// What the picture shows.
    #[arg(long, value_enum, default_value_t = View::Figure)]
    pub view: View,
    /// The colours of the map: grey, hot, jet, viridis, inferno, blue-white-red.
    #[arg(long, value_name = "NAME", default_value = "inferno", alias = "color-map")]
    pub colour_map: ColourMap,
    /// List all methods.
    #[arg(long)]
    pub list: bool,
    #[command(flatten)]
    pub model: ModelArguments,
    #[command(flatten)]
    pub run: RunArguments,
}

/// What `explain --method NAME --help` adds: the parameters of the method.
pub fn method_help(arguments: &[String]) -> Option<String> {
    let is_explain = arguments.get(1).is_some_and(|command| command == "explain");
    let name = arguments.iter().enumerate().find_map(|(at, argument)| match argument.split_once('=') {
        Some(("--method", name)) => Some(name.to_owned()),
        _ if argument == "--method" => arguments.get(at + 1).cloned(),
        _ => None,
    });
    Some(described(method(&name.filter(|_| is_explain)?).ok()?))
}

/// A method with all that the table says about it.
pub fn described(entry: &Entry) -> String {
    let mut text = format!("{}: {}\n{}\nSource: {}\n", entry.name, entry.title, entry.summary, entry.source);
    if !entry.aliases.is_empty() {
        let _ = writeln!(text, "Also called: {}", entry.aliases.join(", "));
    }
    for parameter in entry.parameters {
        let default = parameter.default_text().map(|default| format!(" [default: {default}]"));
        let _ = write!(
            text,
            "\n  --set {}=…  {}{}\n      {}\n",
            parameter.name,
            parameter.range(),
            default.unwrap_or_default(),
            parameter.help
        );
    }
    let presets = presets_of(entry.name);
    if !presets.is_empty() {
        let _ = writeln!(text, "\n  --preset NAME  the defaults of another library: {}", presets.join(", "));
    }
    if entry.layers {
        text.push_str("\n  --layer NAME  the layers that it looks at; may be given several times\n");
    }
    text
}

/// One line for each method.
pub fn listed() -> Vec<String> {
    let width = METHODS.iter().map(|entry| entry.name.len()).max().unwrap_or(0);
    METHODS.iter().map(|entry| format!("{:width$}  {}", entry.name, entry.summary)).collect()
}
