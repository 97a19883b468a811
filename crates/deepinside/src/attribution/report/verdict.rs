//! Whether a map deserves belief, in a sentence.

use super::{Control, Faithfulness};

/// From which rank correlation on a map looks the same although all weights were replaced.
const SAME_LOOK: f64 = 0.7;

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

/// The sentence.
pub(super) fn verdict(
    method: &str,
    found: &Faithfulness,
    controls: &[Control],
    randomised: Option<&[f64]>,
) -> String {
    let of_all = randomised.and_then(|curve| curve.last().copied());
    if let Some(correlation) = of_all.filter(|correlation| *correlation >= SAME_LOOK) {
        return format!(
            "Not to be trusted for this picture: it keeps its look when all weights are randomised (rank correlation {correlation:.2}), \
             so it shows the picture's edges and not what the network has learnt."
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
    let depends = match (of_all, warning(method)) {
        (_, Some(_)) => "; see the note about this method",
        (Some(_), None) => ", and changes when the weights are randomised",
        (None, None) => "",
    };
    format!("Deserves belief for this picture: what it marks matters to the network ({numbers}){depends}.")
}

#[cfg(test)]
mod tests {
    use deepinside_files::Array;

    use super::*;

    fn faithfulness(deletion: f64, insertion: f64) -> Faithfulness {
        Faithfulness { deletion, insertion, deletion_curve: Vec::new(), insertion_curve: Vec::new() }
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
            verdict("gradient", &faithfulness(0.1, insertion), &controls, Some(randomised))
        };
        assert!(of(0.5, &[0.9, 0.1]).starts_with("Deserves belief"), "{}", of(0.5, &[0.1]));
        assert!(of(0.2, &[0.1]).contains("of the edges map 0.200"), "{}", of(0.2, &[0.1]));
        assert!(of(0.5, &[0.1, 0.8]).contains("keeps its look"), "{}", of(0.5, &[0.8]));
    }
}
