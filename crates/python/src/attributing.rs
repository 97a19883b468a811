//! Attributions of a batch: one picture on each thread, which leaves fewer threads waiting than all of them on one.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use deepinside::attribution::{Attribution, Method, Pass, Runner};
use deepinside::classify::Classification;
use deepinside::files::Array;
use deepinside::graph::ValueId;
use deepinside::{Result, Target, Threads};

/// What was found for one picture.
pub struct Attributed {
    /// The target's number.
    pub number: f64,
    /// The target in words.
    pub target: String,
    /// One for each layer that was asked for.
    pub attributions: Vec<Attribution>,
    /// What the network read: the caller may change its own afterwards.
    pub input: Array,
}

/// What a batch asks for. `inputs` are `C × H × W` numbers each.
pub struct Asked<'a> {
    pub method: &'a dyn Method,
    pub inputs: Vec<&'a [f32]>,
    /// One for each input; the most probable class where there is none.
    pub targets: Vec<Option<Target>>,
}

/// Runners of one thread each, kept while batches ask for the same kind of pass.
#[derive(Default)]
pub struct Workers {
    kind: Option<(Pass, Vec<ValueId>)>,
    runners: Vec<Runner>,
}

impl Asked<'_> {
    /// All attributions, in the order of the inputs. As many pictures as there are threads go through `workers` at a time; what is left over,
    /// and methods that make many passes of each picture, have all threads of `runner`.
    ///
    /// # Errors
    /// Those of the method, of the first picture that has one.
    pub fn attribute(&self, runner: &mut Runner, workers: &mut Workers) -> Result<Vec<Attributed>> {
        let (count, threads) = (self.inputs.len(), runner.threads().count());
        let Some(pass) = self.method.pass(runner.model()).filter(|_| threads > 1 && count >= threads) else {
            return (0..count).map(|position| self.one(runner, position)).collect();
        };
        let target = self.targets[0].clone().unwrap_or_else(|| Target::class(0));
        let together = count - count % threads;
        let mut found = self.on_each(workers.prepared(runner, &pass, &target)?, together)?;
        for position in together..count {
            found.push(self.one(runner, position)?);
        }
        Ok(found)
    }

    /// Those of the first `count` inputs.
    fn on_each(&self, runners: &mut [Runner], count: usize) -> Result<Vec<Attributed>> {
        let next = AtomicUsize::new(0);
        let work = |runner: &mut Runner| {
            let mut own = Vec::new();
            loop {
                let position = next.fetch_add(1, Ordering::Relaxed);
                if position >= count {
                    return own;
                }
                let found = self.one(runner, position);
                if found.is_err() {
                    // Nothing that comes later matters any more.
                    next.store(count, Ordering::Relaxed);
                }
                own.push((position, found));
            }
        };
        let mut found: Vec<(usize, Result<Attributed>)> = std::thread::scope(|scope| {
            let handles: Vec<_> = runners.iter_mut().map(|runner| scope.spawn(|| work(runner))).collect();
            let joined = handles.into_iter().map(|handle| handle.join());
            joined.flat_map(|own| own.unwrap_or_else(|fault| std::panic::resume_unwind(fault))).collect()
        });
        found.sort_by_key(|(position, _)| *position);
        found.into_iter().map(|(_, found)| found).collect()
    }

    fn one(&self, runner: &mut Runner, position: usize) -> Result<Attributed> {
        let model = Arc::clone(runner.model());
        let shape = model.graph.value(model.input).shape.extents()[1..].to_vec();
        let input = Array::new(shape, self.inputs[position].to_vec())?;
        let target = match &self.targets[position] {
            Some(target) => target.clone(),
            None => {
                model.expect_classes()?;
                runner.expect_method(self.method, None)?;
                Classification::from_scores(runner.scores(input.data())?).target(&model)
            }
        };
        let attributions = self.method.attribute_layers(runner, &input, &target)?;
        let number = runner.number(&input, &target)?;
        Ok(Attributed { number, target: target.text(&model), attributions, input })
    }
}

impl Workers {
    /// One for each thread of the runner, which has prepared what they share.
    fn prepared(&mut self, whole: &mut Runner, pass: &Pass, target: &Target) -> Result<&mut [Runner]> {
        let kind = (pass.clone(), target.values(whole.model()));
        if self.kind.as_ref() != Some(&kind) {
            whole.expect(pass, target)?;
            let another = |_| whole.another_for(pass, Threads::new(1)?);
            self.runners = (0..whole.threads().count()).map(another).collect::<Result<_>>()?;
            self.kind = Some(kind);
        }
        for runner in &mut self.runners {
            runner.set_interrupt(whole.interrupt());
        }
        Ok(&mut self.runners)
    }
}
