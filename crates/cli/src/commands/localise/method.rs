//! The method that flags name and change, of `localise` and `evaluate`.

use deepinside::class_activation::{ActivationMap, Layers, Weighting};
use deepinside::evidence::{EvidenceOptions, Noise};
use deepinside::localise::{CutRule, Keep, Method, Rule};
use deepinside::vision::Crop;
use deepinside::vision::graph_cut::CutOptions;

use crate::arguments::{CamChoice, CropChoice, KeepChoice, MethodArguments};
use crate::failure::{Failure, Outcome};
use crate::record;

/// A flag that is for graph cuts only.
pub fn no_cut(flag: &str, method: &str) -> Failure {
    Failure::Message(format!(
        "{flag}: the method '{method}' makes no graph cut; add --cut, or --method paper"
    ))
}

/// A named method with what the flags change.
pub fn method(arguments: &MethodArguments) -> Outcome<Method> {
    let named = Method::named(&arguments.method)?;
    let EvidenceOptions { rules, activations, minus, crops, noise, smoothing, keeps_gradients } =
        named.evidence;
    let weighting = match arguments.cam {
        None => activations.as_ref().map(|own| own.weighting),
        Some(CamChoice::None) => None,
        Some(CamChoice::GradCam) => Some(Weighting::GradCam),
        Some(CamChoice::LayerCam) => Some(Weighting::LayerCam),
    };
    if weighting.is_none() && !arguments.layer.is_empty() {
        return Err(Failure::Message(format!(
            "--layer: the method '{}' makes no map of layers; add --cam grad-cam or --cam layer-cam",
            named.name
        )));
    }
    let layers = |weighting: Weighting| match (&arguments.layer[..], &activations, weighting) {
        ([], Some(own), weighting) if own.weighting == weighting => own.layers.clone(),
        ([], _, Weighting::GradCam) => Layers::Last,
        ([], _, Weighting::LayerCam) => Layers::Stages,
        (names, ..) => Layers::Named(names.to_vec()),
    };
    let evidence = EvidenceOptions {
        activations: weighting.map(|weighting| ActivationMap { weighting, layers: layers(weighting) }),
        minus,
        rules: if arguments.rules.is_empty() {
            rules
        } else {
            arguments.rules.iter().map(|&rule| rule.into()).collect()
        },
        crops: match arguments.crops {
            None => crops,
            Some(CropChoice::One(crop)) => vec![crop],
            Some(CropChoice::Ten) => Crop::TEN.to_vec(),
        },
        noise: arguments.smooth_grad.map_or(noise, |samples| {
            Some(Noise { samples, deviation: arguments.noise, seed: arguments.seed })
        }),
        smoothing: arguments.smoothing.unwrap_or(smoothing),
        keeps_gradients,
    };
    let flags = [
        arguments.value.map(Rule::Value),
        arguments.energy.map(Rule::Energy),
        arguments.mean_multiple.map(Rule::Mean),
        arguments.overlap.map(Rule::Overlap),
    ];
    let chosen = match flags.into_iter().flatten().next() {
        Some(rule) => rule,
        None if arguments.cut => Method::named("paper")?.rule,
        None => named.rule,
    };
    let rule = match chosen {
        Rule::Cut(rule) => Rule::Cut(CutRule {
            foreground: arguments.foreground_quantile.unwrap_or(rule.foreground),
            background: arguments.background_quantile.unwrap_or(rule.background),
            saliency: arguments.saliency_weight.unwrap_or(rule.saliency),
            neutral: arguments.neutral.unwrap_or(rule.neutral),
            cut: CutOptions {
                refinements: arguments.refinements.unwrap_or(rule.cut.refinements),
                clamped: arguments.clamped.unwrap_or(rule.cut.clamped),
                smoothness: arguments.smoothness.unwrap_or(rule.cut.smoothness),
                ..rule.cut
            },
        }),
        other => {
            let flags = [
                ("--foreground-quantile", arguments.foreground_quantile.is_some()),
                ("--background-quantile", arguments.background_quantile.is_some()),
                ("--refinements", arguments.refinements.is_some()),
                ("--clamped", arguments.clamped.is_some()),
                ("--smoothness", arguments.smoothness.is_some()),
                ("--saliency-weight", arguments.saliency_weight.is_some()),
                ("--neutral", arguments.neutral.is_some()),
            ];
            if let Some((flag, _)) = flags.into_iter().find(|(_, is_given)| *is_given) {
                return Err(no_cut(flag, named.name));
            }
            other
        }
    };
    let keep = match (arguments.keep, arguments.strong) {
        (None, None) => named.keep,
        (_, Some(share)) => Keep::Strong(share),
        (Some(KeepChoice::Largest), None) => Keep::Largest,
        (Some(KeepChoice::All), None) => Keep::All,
    };
    let method = Method { name: named.name, evidence, rule, keep };
    record::resolved("method", &method)?;
    Ok(method)
}
