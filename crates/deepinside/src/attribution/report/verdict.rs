//! Whether a map deserves belief, in a sentence.

use super::{Control, Faithfulness};

/// From which rank correlation on a map looks the same although weights were replaced.
const SAME_LOOK: f64 = 0.7;

/// By which share of the target's number for the whole input a map must do better than the best that knows nothing of the network. Random maps of
/// other seeds deviate by 0.03 of it (SqueezeNet v1.1, six seeds for each of two inputs), so that chance does this once in twenty.
const MARGIN: f64 = 0.05;

/// What is known against a method whatever the network, in a sentence.
pub(super) fn warning(method: &str) -> Option<&'static str> {
    match method {
        "guided" | "deconvnet" | "guided-grad-cam" => Some(
            "This method hardly depends on the weights of upper layers (Adebayo and others 2018; Sixt, Granz, Landgraf 2020).",
        ),
        "eigen-cam" => Some("This method does not depend on the target: every class has the same map."),
        "attention-rollout" => {
            Some("This method does not depend on the target: every class has the same map.")
        }
        _ => None,
    }
}

/// The sentence, from what was measured of a method's map: `randomised` has the rank correlations with the maps of the network with random
/// weights, more and more of them from the score down, and `alike` those with the controls' maps.
pub(super) fn verdict(
    method: &str,
    found: &Faithfulness,
    controls: &[Control],
    randomised: Option<&[f64]>,
    alike: &[f64],
) -> String {
    let curve = randomised.unwrap_or_default();
    // The deepest says most. What a class is made of lies in the last layers: a map that stays although they are random does not show it.
    let same = curve.iter().enumerate().rev().find(|(_, correlation)| **correlation >= SAME_LOOK);
    if let Some((depth, correlation)) = same {
        let weights = match (depth + 1, curve.len()) {
            (own, all) if own == all => "all weights are".to_owned(),
            (own, all) => format!("the weights of the last {own}/{all} of the layers are"),
        };
        let most = controls.iter().zip(alike).max_by(|a, b| a.1.total_cmp(b.1));
        let looks = match most {
            Some((control, alike)) if *alike >= 0.5 => {
                format!("; it looks much like the {} map (rank correlation {alike:.2})", control.name)
            }
            _ => String::new(),
        };
        return format!(
            "Not to be trusted for this picture: it keeps its look when {weights} randomised (rank correlation {correlation:.2}), so what it \
             shows is not what the network has learnt of the class{looks}."
        );
    }
    let best =
        controls.iter().max_by(|a, b| a.faithfulness.difference().total_cmp(&b.faithfulness.difference()));
    let Some(best) = best else { return "Nothing to compare with.".to_owned() };
    let (own, other) = (found.difference(), best.faithfulness.difference());
    let numbers = format!("insertion minus deletion {own:.3}, of the {} map {other:.3}", best.name);
    if own <= other {
        return format!(
            "Of little use for this picture: deleting and inserting pixels by it tells no more about the network than a map that does \
             not know the network ({numbers})."
        );
    }
    // Deletion begins with the whole input.
    if own - other < MARGIN * found.deletion_curve.first().map_or(0.0, |whole| whole.abs()) {
        return format!(
            "Hardly better than a map that does not know the network: the difference is within what chance does ({numbers})."
        );
    }
    let depends = match (curve.is_empty(), warning(method)) {
        (_, Some(_)) => "; see the note about this method",
        (false, None) => ", and changes when the weights are randomised",
        (true, None) => "",
    };
    format!("Deserves belief for this picture: what it marks matters to the network ({numbers}){depends}.")
}

#[cfg(test)]
mod tests {
    use deepinside_files::Array;

    use super::*;

    fn faithfulness(deletion: f64, insertion: f64) -> Faithfulness {
        Faithfulness { deletion, insertion, deletion_curve: vec![0.8, 0.0], insertion_curve: Vec::new() }
    }

    #[test]
    fn a_map_is_believed_where_it_beats_all_controls_and_depends_on_the_weights() {
        let map = Array::new([1, 1], vec![0.0]).unwrap();
        let controls = [("random", 0.3), ("edges", 0.4)].map(|(name, insertion)| Control {
            name,
            map: map.clone(),
            faithfulness: faithfulness(0.2, insertion),
        });
        let of = |insertion, randomised: &[f64]| {
            verdict("gradient", &faithfulness(0.1, insertion), &controls, Some(randomised), &[0.1, 0.6])
        };
        assert!(of(0.5, &[0.6, 0.1]).starts_with("Deserves belief"), "{}", of(0.5, &[0.6, 0.1]));
        assert!(of(0.2, &[0.1]).contains("of the edges map 0.200"), "{}", of(0.2, &[0.1]));
        // Better by 0.03, where the whole picture has 0.8.
        assert!(of(0.33, &[0.1]).starts_with("Hardly better"), "{}", of(0.33, &[0.1]));
        let all = of(0.5, &[0.1, 0.8]);
        assert!(all.contains("all weights are randomised") && all.contains("like the edges map"), "{all}");
        // Guided backpropagation deserved belief with 0.97, 0.83 and 0.50.
        let last = of(0.5, &[0.97, 0.83, 0.5]);
        assert!(last.contains("the last 2/3 of the layers are randomised (rank correlation 0.83)"), "{last}");
    }
}
