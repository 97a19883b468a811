//! The table of methods: one file each.

mod ablation_cam;
mod attention;
mod attention_rollout;
mod class_activation;
mod deconvnet;
mod deep_lift;
mod eigen_cam;
mod eigen_grad_cam;
mod expected_gradients;
mod feature_ablation;
mod finer_cam;
mod grad_cam;
mod grad_cam_elementwise;
mod grad_cam_plus_plus;
mod gradient;
mod gradient_x_attention;
mod guided;
mod guided_grad_cam;
mod hi_res_cam;
mod input_x_gradient;
mod integrated_gradients;
mod internal_influence;
mod kernel_shap;
mod layer_cam;
mod layer_conductance;
mod layer_gradient_x_activation;
mod layer_path;
mod le_grad;
mod lime;
mod noise;
mod occlusion;
mod rise;
mod score_cam;
mod shapley_sampling;
mod smooth_gates;
mod smooth_grad;
mod smooth_grad_squared;
mod var_grad;
mod xgrad_cam;

pub use self::noise::USUAL_DEVIATION;
use super::Entry;
use crate::{Error, Result};

/// All methods, in the order in which they are listed.
pub static METHODS: &[Entry] = &[
    gradient::ENTRY,
    input_x_gradient::ENTRY,
    smooth_grad::ENTRY,
    smooth_grad_squared::ENTRY,
    var_grad::ENTRY,
    integrated_gradients::ENTRY,
    expected_gradients::ENTRY,
    deep_lift::ENTRY,
    guided::ENTRY,
    deconvnet::ENTRY,
    smooth_gates::ENTRY,
    guided_grad_cam::ENTRY,
    grad_cam::ENTRY,
    grad_cam_plus_plus::ENTRY,
    hi_res_cam::ENTRY,
    xgrad_cam::ENTRY,
    layer_cam::ENTRY,
    grad_cam_elementwise::ENTRY,
    eigen_cam::ENTRY,
    eigen_grad_cam::ENTRY,
    score_cam::ENTRY,
    ablation_cam::ENTRY,
    finer_cam::ENTRY,
    attention_rollout::ENTRY,
    le_grad::ENTRY,
    gradient_x_attention::ENTRY,
    layer_gradient_x_activation::ENTRY,
    layer_conductance::ENTRY,
    internal_influence::ENTRY,
    occlusion::ENTRY,
    feature_ablation::ENTRY,
    rise::ENTRY,
    lime::ENTRY,
    kernel_shap::ENTRY,
    shapley_sampling::ENTRY,
];

/// The method of a name or an alias.
///
/// # Errors
/// When there is none; the nearest are named.
pub fn method(name: &str) -> Result<&'static Entry> {
    let is = |entry: &&Entry| entry.name == name || entry.aliases.contains(&name);
    METHODS.iter().find(is).ok_or_else(|| {
        let mut nearest: Vec<(f64, &str)> =
            METHODS.iter().map(|entry| (strsim::jaro_winkler(name, entry.name), entry.name)).collect();
        nearest.sort_by(|a, b| b.0.total_cmp(&a.0));
        let nearest: Vec<&str> = nearest.into_iter().take(3).map(|(_, name)| name).collect();
        Error::Option(format!("there is no method '{name}'; the nearest are {}", nearest.join(", ")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_found() {
        let mut names: Vec<&str> =
            METHODS.iter().flat_map(|entry| [&[entry.name], entry.aliases].concat()).collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
        for entry in METHODS {
            assert_eq!(method(entry.name).unwrap().name, entry.name);
            assert!(entry.summary.ends_with('.'), "{}", entry.name);
        }
        assert!(method("gradcamm").unwrap_err().to_string().contains("grad-cam"));
    }
}
