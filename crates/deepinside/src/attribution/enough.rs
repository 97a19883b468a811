//! When random samples are enough.

use std::ops::Range;

use super::parameter::{Default, Kind, Parameter, Values};

/// The parameter of methods whose samples may be fewer than the most that they take.
pub(super) const UNTIL: Parameter = Parameter {
    name: "until",
    help: "take no more samples once no standard error is above this share of the largest value; 0 takes all of them",
    unit: "share",
    kind: Kind::Number { least: 0.0, most: 1.0 },
    default: Default::Number(0.0),
};

/// How many random samples an attribution is made of, where they could have been fewer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Samples {
    /// As many were taken.
    pub used: usize,
    /// The most that were asked for.
    pub most: usize,
    /// The largest standard error, as a share of the largest value; 0 of values that are all zero.
    pub error: f64,
    /// The share that was asked for.
    pub until: f64,
}

impl Samples {
    /// In a sentence.
    pub(super) fn sentence(&self) -> String {
        let [error, until] = [self.error, self.until].map(|share| format!("{:.3} %", 100.0 * share));
        if self.error == f64::INFINITY {
            return format!("all {} samples were not enough to know a standard error", self.used);
        }
        match self.error <= self.until {
            true => format!(
                "{} of {} samples were enough: the largest standard error is {error} of the largest value, {until} were asked for",
                self.used, self.most
            ),
            false => format!(
                "all {} samples were not enough: the largest standard error is {error} of the largest value, {until} were asked for",
                self.used
            ),
        }
    }
}

/// Samples in rounds, after each of which they may be enough. How far the rounds go depends on nothing but the numbers of samples, so that
/// the bits are the same for every number of threads.
pub(super) struct Rounds {
    until: f64,
    first: usize,
    most: usize,
    done: usize,
}

impl Rounds {
    /// The rounds of at most `most` samples. What the first `first` of them tell about their own spread is not believed.
    pub fn new(values: &Values, first: usize, most: usize) -> Self {
        Self { until: values.number(UNTIL.name).unwrap_or(0.0), first, most, done: 0 }
    }

    /// The next samples. A round takes a quarter of the samples before it, an even number, since samples may come in pairs.
    pub fn next(&mut self) -> Option<Range<usize>> {
        if self.done == self.most {
            return None;
        }
        let further = (self.done / 4).next_multiple_of(2).max(self.first.next_multiple_of(2));
        let further = if self.until > 0.0 { further } else { self.most };
        let begin = self.done;
        self.done = (begin + further).min(self.most);
        Some(begin..self.done)
    }

    /// Whether samples need to be looked at: where nothing can end them early, only the last ones are.
    pub fn looks(&self) -> bool {
        self.until > 0.0
    }

    /// How many samples were taken, given values and standard errors; no further round comes where they are enough.
    pub fn look(
        &mut self,
        values: impl IntoIterator<Item = f64>,
        errors: impl IntoIterator<Item = f64>,
    ) -> Option<Samples> {
        if !self.looks() {
            return None;
        }
        let largest =
            |numbers: &mut dyn Iterator<Item = f64>| numbers.fold(0.0f64, |most, own| most.max(own.abs()));
        let (value, error) = (largest(&mut values.into_iter()), largest(&mut errors.into_iter()));
        let error = if error == 0.0 { 0.0 } else { error / value };
        let samples = Samples { used: self.done, most: self.most, error, until: self.until };
        if error <= self.until {
            self.most = self.done;
        }
        Some(samples)
    }
}

#[cfg(test)]
mod tests {
    use super::super::parameter::{Choices, Given};
    use super::*;

    fn rounds(until: &str, first: usize, most: usize) -> Rounds {
        let given = [(UNTIL.name.to_owned(), Given::Text(until.to_owned()))];
        let choices = Choices { given: given.into(), layers: Vec::new() };
        Rounds::new(&Values::of("a test", &[UNTIL], &choices).unwrap(), first, most)
    }

    #[test]
    fn samples_come_at_once_or_in_even_rounds_that_end_when_they_are_enough() {
        let mut all = rounds("0", 10, 33);
        assert_eq!((all.next(), all.look([1.0], [0.5]), all.next()), (Some(0..33), None, None));

        let mut some = rounds("0.1", 9, 100);
        let mut ends = Vec::new();
        while let Some(round) = some.next() {
            ends.push(round.end);
            assert!(some.look([2.0, -3.0], [0.0, 0.9]).unwrap().sentence().contains("30.000 %"));
        }
        assert_eq!(ends[..5], [10, 20, 30, 40, 50]);
        assert_eq!(ends.last(), Some(&100));

        let mut few = rounds("0.1", 10, 100);
        few.next();
        let samples = few.look([2.0, -3.0], [0.1, 0.3]).unwrap();
        assert_eq!((samples.used, samples.error, few.next()), (10, 0.3 / 3.0, None));
        assert!(samples.sentence().starts_with("10 of 100 samples were enough"), "{}", samples.sentence());
        // Values that are all zero, without a spread.
        assert_eq!(rounds("0.1", 2, 4).look([0.0], [0.0]).unwrap().error, 0.0);
    }
}
