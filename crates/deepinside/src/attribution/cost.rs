//! What passes cost, and what is not begun because it would not be done in time.

use std::sync::OnceLock;
use std::time::Duration;

use deepinside_engine::Roofline;
use deepinside_graph::Interrupt;
use deepinside_graph::locality::operations_between;

use super::Runner;
use crate::{Error, Result};

/// How many passes through the network an attribution takes, at most.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Passes {
    /// How many pictures go forward.
    pub forward: usize,
    /// For how many of them something goes back.
    pub backward: usize,
    /// The least share of a whole pass that one may cost: less than 1 where only what changes is computed again.
    pub share: f64,
}

impl Passes {
    /// So many pictures that go forward, for some of which something comes back.
    pub fn new(forward: usize, backward: usize) -> Self {
        Self { forward, backward, share: 1.0 }
    }

    /// Pictures of which only a part is changed, so that only what depends on it is computed.
    pub fn of_changes(forward: usize) -> Self {
        Self { share: 0.01, ..Self::new(forward, 0) }
    }

    /// These again and again.
    pub fn times(self, count: usize) -> Self {
        let [forward, backward] = [self.forward, self.backward].map(|own| own.saturating_mul(count));
        Self { forward, backward, ..self }
    }
}

/// How much faster than its own products a machine may compute a convolution: Winograd's F(4×4, 3×3) saves three of four multiplications.
const WINOGRAD: f64 = 4.0;

/// What no machine does in a second and thread: below it nothing needs to be measured.
const SURELY_DONE: f64 = 1e9;

/// The floating-point operations a second of one thread's products, measured once.
static OPERATIONS: OnceLock<f64> = OnceLock::new();

impl Runner {
    /// Ends what cannot be done in time before its first pass, where the interrupt has an end: so many passes of so many floating-point
    /// operations, a gradient for as many again, at a rate that no network reaches here. What is merely too slow is ended after two
    /// rounds of passes, whose time is then known. The passes are expected as steps of the interrupt.
    ///
    /// # Errors
    /// [`Error::TooLong`].
    pub fn expect_passes(&self, passes: Passes) -> Result<()> {
        self.interrupt().expect_steps(passes.forward);
        let Some(left) = self.interrupt().time_left() else { return Ok(()) };
        let model = self.model();
        let each = operations_between(&model.graph, model.input, &[model.score.value]) as f64;
        let all = each * passes.share * (passes.forward as f64 + passes.backward as f64);
        let threads = self.threads().count().max(1) as f64;
        if all <= SURELY_DONE * threads * left.as_secs_f64() {
            return Ok(());
        }
        let rate = OPERATIONS.get_or_init(|| Roofline::measure(self.threads()).operations / threads);
        let seconds = all / (WINOGRAD * rate * threads);
        if seconds <= left.as_secs_f64() {
            return Ok(());
        }
        let each = Duration::from_secs_f64((seconds / passes.forward.max(1) as f64).min(1e6));
        Err(Error::TooLong { passes: passes.forward, each, left })
    }
}

/// Ends what would not be done in time: so much was spent on some of all inputs.
pub(super) fn expect_time(interrupt: &Interrupt, spent: Duration, done: usize, count: usize) -> Result<()> {
    let each = spent / u32::try_from(done).unwrap_or(u32::MAX);
    let left = interrupt.time_left();
    match left {
        Some(left) if each.as_secs_f64() * (count - done) as f64 > left.as_secs_f64() => {
            Err(Error::TooLong { passes: count, each, left })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Instant;

    use super::*;
    use crate::{Model, Settings, Threads};

    /// What no machine does in the time is refused before its first pass, and what is done at once is not.
    #[test]
    fn requests_beyond_the_time_are_refused_before_the_first_pass() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/attribution/residual.onnx");
        let model = Arc::new(Model::open_with(file, Settings::default()).unwrap());
        let mut runner = Runner::new(model, Threads::new(1).unwrap());
        let many = Passes::new(usize::MAX / 4, usize::MAX / 4);
        runner.expect_passes(many).unwrap();
        let interrupt = Interrupt::default();
        interrupt.ends_by(Instant::now() + Duration::from_secs(10));
        runner.set_interrupt(&interrupt);
        runner.expect_passes(Passes::new(50, 50)).unwrap();
        assert_eq!(interrupt.steps(), [0, 50]);
        match runner.expect_passes(many).unwrap_err() {
            Error::TooLong { passes, each, left } => {
                assert_eq!(passes, many.forward);
                assert!(each > Duration::ZERO && left <= Duration::from_secs(10));
            }
            other => panic!("{other}"),
        }
        assert_eq!((many.times(9).forward, runner.forward_passes()), (usize::MAX, 0));
        // A change costs a small part of a pass.
        assert!(Passes::of_changes(100).share < 0.1);
    }
}
