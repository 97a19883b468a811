//! In which order steps run, forward and backward.
//!
//! Where memory is short, the forward pass is cut into *segments*. Of all but the last only what later segments read is kept; the
//! rest is computed again, segment by segment, when the backward pass arrives there (Chen, Xu, Zhang and Guestrin 2016). With
//! `k` segments that costs less than one more forward pass, whatever `k` is.

/// What a pass does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// Computes the results of a step.
    Forward(usize),
    /// Computes the results of a step again, if a gradient has come to its segment.
    Again(usize),
    /// Computes the gradients of a step's operands.
    Backward(usize),
}

impl Action {
    /// The step that runs.
    pub fn step(self) -> usize {
        match self {
            Self::Forward(step) | Self::Again(step) | Self::Backward(step) => step,
        }
    }
}

/// When everything happens. The forward pass of step `i` is at time `i`; the backward pass follows, one time for each action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Schedule {
    /// The actions of a backward pass, in their order.
    pub actions: Vec<Action>,
    /// Per step, the number of its segment.
    pub segment: Vec<usize>,
    /// Per step, when its results are computed again.
    again: Vec<Option<usize>>,
    /// Per step, when its operands' gradients are computed.
    backward: Vec<usize>,
}

impl Schedule {
    /// The schedule for steps of these segments, numbered upwards from 0, of which those are computed again that are marked so.
    pub fn new(segment: Vec<usize>, is_needed_again: &[bool]) -> Self {
        let steps = segment.len();
        let mut schedule =
            Self { actions: Vec::new(), again: vec![None; steps], backward: vec![0; steps], segment };
        let mut end = steps;
        while let Some(last) = end.checked_sub(1) {
            let own = schedule.segment[last];
            let start = schedule.segment.partition_point(|&segment| segment < own);
            for step in (start..end).filter(|&step| is_needed_again[step]) {
                schedule.again[step] = Some(steps + schedule.actions.len());
                schedule.actions.push(Action::Again(step));
            }
            for step in (start..end).rev() {
                schedule.backward[step] = steps + schedule.actions.len();
                schedule.actions.push(Action::Backward(step));
            }
            end = start;
        }
        schedule
    }

    /// When the forward pass is over and targets are set, which the first backward step reads.
    pub fn turn(&self) -> usize {
        self.segment.len()
    }

    /// A time after everything.
    pub fn end(&self) -> usize {
        self.segment.len() + self.actions.len()
    }

    /// When the results of a step are computed: once or twice.
    pub fn forward(&self, step: usize) -> impl Iterator<Item = usize> {
        std::iter::once(step).chain(self.again[step])
    }

    /// When the results of a step are computed again.
    pub fn again(&self, step: usize) -> Option<usize> {
        self.again[step]
    }

    /// When the gradients of a step's operands are computed.
    pub fn backward(&self, step: usize) -> usize {
        self.backward[step]
    }
}

/// Numbers the segments of steps with these costs in memory, so that all `count` cost about the same.
pub(crate) fn segments(costs: &[usize], count: usize) -> Vec<usize> {
    let total: usize = costs.iter().sum::<usize>().max(1);
    let mut before = 0;
    let mut numbers: Vec<usize> = Vec::with_capacity(costs.len());
    for cost in costs {
        // By the middle of the step, so that neither end of the network is preferred.
        numbers.push(((before + cost / 2) as u128 * count as u128 / total as u128) as usize);
        before += cost;
    }
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_computed_again_before_their_backward_steps() {
        let schedule = Schedule::new(vec![0, 0, 1, 2], &[true, false, true, false]);
        use Action::{Again, Backward};
        let expected = [Backward(3), Again(2), Backward(2), Again(0), Backward(1), Backward(0)];
        assert_eq!(schedule.actions, expected);
        assert_eq!((schedule.again(2), schedule.again(1), schedule.backward(0)), (Some(5), None, 9));
        assert_eq!(schedule.forward(0).collect::<Vec<_>>(), [0, 7]);
        assert_eq!((schedule.turn(), schedule.end()), (4, 10));
    }

    #[test]
    fn segments_cost_about_the_same() {
        assert_eq!(segments(&[1; 6], 3), [0, 0, 1, 1, 2, 2]);
        assert_eq!(segments(&[10, 1, 1, 1, 1, 1], 2), [0, 1, 1, 1, 1, 1]);
        assert_eq!(segments(&[0, 0], 2), [0, 0]);
    }
}
