//! The defaults of other libraries by name, as data: what `preset=NAME` fills in where nothing else is chosen.

use super::parameter::{Choices, Default, Given, Kind, Parameter};
use super::{Entry, METHODS};
use crate::{Error, Result};

/// A library whose defaults are known.
#[derive(Debug)]
pub struct Preset {
    /// What it is called in every door.
    pub name: &'static str,
    /// The library and its version.
    pub library: &'static str,
    /// Its methods by our names, each with what it sets there.
    pub methods: &'static [(&'static str, &'static [(&'static str, &'static str)])],
}

/// The parameter that every method has.
pub const PRESET: Parameter = Parameter {
    name: "preset",
    help: "the library whose defaults stand for parameters that are not given",
    unit: "",
    kind: Kind::Choice(&[
        "captum",
        "pytorch-grad-cam",
        "torch-cam",
        "pair",
        "xplique",
        "zennit",
        "tf-keras-vis",
    ]),
    default: Default::Chosen,
};

/// Five copies, deviation 1 in the input's own numbers.
const CAPTUM_NOISE: &[(&str, &str)] = &[("samples", "5"), ("deviation", "1"), ("absolute", "true")];
/// Twenty-five copies, deviation 0.15 of the range.
const PAIR_NOISE: &[(&str, &str)] = &[("samples", "25"), ("deviation", "0.15")];
/// Fifty copies, deviation 0.2 in the input's own numbers.
const XPLIQUE_NOISE: &[(&str, &str)] = &[("samples", "50"), ("deviation", "0.2"), ("absolute", "true")];
/// Class activation maps keep their positive part.
const POSITIVE: &[(&str, &str)] = &[("positive", "true")];

/// All presets.
pub static PRESETS: &[Preset] = &[
    Preset {
        name: "captum",
        library: "Captum 0.9",
        methods: &[
            ("gradient", &[]),
            ("input-x-gradient", &[]),
            ("guided", &[]),
            ("deconvnet", &[]),
            ("smooth-grad", CAPTUM_NOISE),
            ("smooth-grad-squared", CAPTUM_NOISE),
            ("var-grad", CAPTUM_NOISE),
            (
                "integrated-gradients",
                &[("steps", "50"), ("quadrature", "gauss-legendre"), ("baseline", "zero")],
            ),
            ("expected-gradients", &[("samples", "5"), ("deviation", "0")]),
            ("deep-lift", &[("baseline", "zero")]),
            ("guided-grad-cam", &[("enlargement", "nearest")]),
            ("grad-cam", &[("positive", "false")]),
            ("layer-gradient-x-activation", &[("channels", "each")]),
            ("layer-conductance", &[("steps", "50"), ("rule", "captum"), ("baseline", "zero")]),
            (
                "internal-influence",
                &[("steps", "50"), ("quadrature", "gauss-legendre"), ("baseline", "zero")],
            ),
            ("feature-ablation", &[("baseline", "zero")]),
            ("kernel-shap", &[("samples", "25"), ("kernel", "captum"), ("baseline", "zero")]),
            ("shapley-sampling", &[("samples", "25"), ("baseline", "zero")]),
        ],
    },
    Preset {
        name: "pytorch-grad-cam",
        library: "pytorch-grad-cam 1.5.7",
        methods: &[
            ("grad-cam", POSITIVE),
            ("grad-cam-plus-plus", &[("positive", "true"), ("stabiliser", "0.000001")]),
            ("hi-res-cam", POSITIVE),
            ("xgrad-cam", POSITIVE),
            ("layer-cam", POSITIVE),
            ("grad-cam-elementwise", POSITIVE),
            ("eigen-cam", POSITIVE),
            ("eigen-grad-cam", POSITIVE),
            ("score-cam", &[("positive", "true"), ("enlargement", "align-corners")]),
            ("ablation-cam", POSITIVE),
            (
                "finer-cam",
                &[("positive", "true"), ("weighting", "probability"), ("alpha", "1"), ("compared", "3")],
            ),
        ],
    },
    Preset {
        name: "torch-cam",
        library: "torch-cam 0.5",
        methods: &[
            ("grad-cam", POSITIVE),
            ("grad-cam-plus-plus", &[("positive", "true"), ("stabiliser", "0")]),
            ("xgrad-cam", POSITIVE),
            ("layer-cam", POSITIVE),
            ("score-cam", &[("positive", "true"), ("enlargement", "half-pixel")]),
            ("le-grad", &[("score", "token-mean")]),
        ],
    },
    Preset {
        name: "pair",
        library: "PAIR saliency 0.2.1",
        methods: &[
            ("gradient", &[]),
            ("guided", &[]),
            // The library squares by default, which is `smooth-grad-squared` here.
            ("smooth-grad", PAIR_NOISE),
            ("smooth-grad-squared", PAIR_NOISE),
            ("integrated-gradients", &[("steps", "25"), ("quadrature", "pair"), ("baseline", "zero")]),
            ("grad-cam", POSITIVE),
            ("occlusion", &[("window", "15"), ("stride", "1"), ("baseline", "0")]),
        ],
    },
    Preset {
        name: "xplique",
        library: "Xplique 1",
        methods: &[
            ("gradient", &[]),
            ("input-x-gradient", &[]),
            ("guided", &[]),
            ("deconvnet", &[]),
            ("smooth-grad", XPLIQUE_NOISE),
            ("smooth-grad-squared", XPLIQUE_NOISE),
            ("var-grad", XPLIQUE_NOISE),
            ("integrated-gradients", &[("steps", "50"), ("quadrature", "trapezoid"), ("baseline", "0")]),
            ("grad-cam", POSITIVE),
            ("grad-cam-plus-plus", POSITIVE),
            ("occlusion", &[("window", "3"), ("stride", "3"), ("baseline", "0.5")]),
            (
                "rise",
                &[("samples", "4000"), ("cells", "7"), ("probability", "0.5"), ("normalisation", "coverage")],
            ),
        ],
    },
    Preset {
        name: "zennit",
        library: "zennit 0.5",
        methods: &[
            ("gradient", &[]),
            ("smooth-grad", &[("samples", "20"), ("deviation", "0.1")]),
            ("integrated-gradients", &[("steps", "20"), ("quadrature", "right"), ("baseline", "zero")]),
        ],
    },
    Preset {
        name: "tf-keras-vis",
        library: "tf-keras-vis 0.8",
        methods: &[
            ("gradient", &[]),
            ("smooth-grad", &[("samples", "20"), ("deviation", "0.2")]),
            ("grad-cam", POSITIVE),
            ("grad-cam-plus-plus", POSITIVE),
            ("layer-cam", POSITIVE),
            ("score-cam", &[("positive", "true"), ("enlargement", "half-pixel")]),
        ],
    },
];

/// Fills in what a chosen preset sets, and says in a sentence what that is.
///
/// # Errors
/// When there is no such preset, or the library has no such method.
pub(super) fn expand(entry: &Entry, choices: &Choices) -> Result<(Choices, Option<String>)> {
    let mut choices = choices.clone();
    let Some(given) = choices.given.remove(PRESET.name) else { return Ok((choices, None)) };
    let Given::Text(name) = given else {
        return Err(Error::Option("'preset' is a name, found an array".to_owned()));
    };
    let Some(preset) = PRESETS.iter().find(|preset| preset.name == name) else {
        let names: Vec<&str> = PRESETS.iter().map(|preset| preset.name).collect();
        return Err(Error::Option(format!("there is no preset '{name}'; there are {}", names.join(", "))));
    };
    let Some((_, sets)) = preset.methods.iter().find(|(method, _)| *method == entry.name) else {
        let methods: Vec<&str> = preset.methods.iter().map(|(method, _)| *method).collect();
        return Err(Error::Option(format!(
            "the preset '{name}' says nothing about {}; it has {}",
            entry.name,
            methods.join(", ")
        )));
    };
    let mut filled = Vec::new();
    for &(parameter, value) in *sets {
        if !choices.given.contains_key(parameter) {
            choices.given.insert(parameter.to_owned(), Given::Text(value.to_owned()));
            filled.push(format!("{parameter}={value}"));
        }
    }
    let note = match filled.is_empty() {
        true => format!("preset {name}: {} sets nothing else here", preset.library),
        false => format!("preset {name}, as {}: {}", preset.library, filled.join(", ")),
    };
    Ok((choices, Some(note)))
}

/// The presets that have a method.
pub fn presets_of(method: &str) -> Vec<&'static str> {
    let has = |preset: &&Preset| preset.methods.iter().any(|(own, _)| *own == method);
    debug_assert!(METHODS.iter().any(|entry| entry.name == method));
    PRESETS.iter().filter(has).map(|preset| preset.name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attribution::parameter::Values;

    #[test]
    fn every_preset_sets_parameters_that_the_method_takes() {
        for preset in PRESETS {
            for (name, sets) in preset.methods {
                let entry = METHODS.iter().find(|entry| entry.name == *name).expect(name);
                let given =
                    sets.iter().map(|(name, value)| ((*name).to_owned(), Given::Text((*value).to_owned())));
                let choices = Choices { given: given.collect(), layers: Vec::new() };
                Values::of(entry.name, entry.parameters, &choices).unwrap();
            }
        }
        let Kind::Choice(names) = PRESET.kind else { panic!("a choice") };
        assert!(PRESETS.iter().map(|preset| preset.name).eq(names.iter().copied()));
    }

    #[test]
    fn what_is_given_wins_over_the_preset_and_the_note_says_what_was_filled_in() {
        let entry = METHODS.iter().find(|entry| entry.name == "smooth-grad").unwrap();
        let given = [("preset", "captum"), ("samples", "9")];
        let given = given.map(|(name, value)| (name.to_owned(), Given::Text(value.to_owned())));
        let choices = Choices { given: given.into(), layers: Vec::new() };
        let (expanded, note) = expand(entry, &choices).unwrap();
        assert_eq!(note.unwrap(), "preset captum, as Captum 0.9: deviation=1, absolute=true");
        assert_eq!(expanded.given["samples"], Given::Text("9".to_owned()));
        assert!(!expanded.given.contains_key("preset"));
        let rise = METHODS.iter().find(|entry| entry.name == "rise").unwrap();
        assert!(expand(rise, &choices).unwrap_err().to_string().contains("says nothing about rise"));
    }
}
