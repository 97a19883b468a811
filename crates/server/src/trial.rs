//! Opening a stranger's model in a process of its own first, which has bounds on its memory and time.
//!
//! The importer has a budget and every allocation of a size that a file states can fail; but should one have been forgotten, the
//! process that ends must not be the one that answers all others. So a model that is uploaded is first read, planned and run once
//! there and back in a child process, and is opened by the server itself only when that went well: what is computed from a
//! file does not depend on the process, so what the child had room for the server has room for. Prepared networks stay shared by requests,
//! and no result has to be sent from one process to another.

use std::ffi::OsString;
use std::io::{self, Read as _, Write as _};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use deepinside::attribution::Runner;
use deepinside::{BackwardRule, Interrupt, Model, Settings, Target, Threads};

use crate::models::UPLOADED_ARRAYS;
use crate::problem::{Answer, Problem};

/// What the program needs besides a model: its own code, threads' stacks, and room for what the system maps. In bytes.
const OTHERS: u64 = 1 << 30;

/// How often a child is looked at.
const LOOK: Duration = Duration::from_millis(5);

/// The most bytes of a child's sentence that are read.
const LONGEST: u64 = 4096;

/// A program that does [`open`] when it is started with these arguments, a number of bytes and one of seconds behind them.
#[derive(Debug, Clone)]
pub struct Trial {
    /// The program.
    pub program: PathBuf,
    /// What tells it to.
    pub arguments: Vec<OsString>,
}

impl Trial {
    /// Whether a child that may take so much memory and time has opened a model.
    ///
    /// # Errors
    /// What the child said against it, or that it came to its end; [`deepinside::Error::Interrupted`].
    pub(crate) fn run(
        &self,
        onnx: &[u8],
        models: usize,
        time: Duration,
        interrupt: &Interrupt,
    ) -> Answer<()> {
        let memory = (models.saturating_add(UPLOADED_ARRAYS) as u64).saturating_add(OTHERS);
        let seconds = time.as_secs().max(1);
        let mut child = Command::new(&self.program)
            .args(&self.arguments)
            .args([memory.to_string(), seconds.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|_| {
                Problem::unavailable("no process could be started to open the model in; ask again soon")
            })?;
        let (status, sentence) = attended(&mut child, onnx, interrupt);
        // It has ended, or what it is waited for has failed.
        let _ = child.kill();
        let _ = child.wait();
        let status = status.map_err(|_| Problem::internal("the process that opened the model was lost"))?;
        match status {
            None => Err(deepinside::Error::Interrupted.into()),
            Some(status) if status.success() => Ok(()),
            Some(status) if status.code() == Some(i32::from(REFUSED)) && !sentence.is_empty() => {
                Err(Problem::unfit(sentence))
            }
            Some(_) => Err(Problem::unfit(format!(
                "a process that was to open this model came to its end: it may take {} MB of memory and {seconds} s; use a smaller \
                 model, or open it with the command line",
                memory >> 20
            ))),
        }
    }
}

/// Gives a child its model and waits for its end; its status (none where it was interrupted) and what it said.
fn attended(
    child: &mut Child,
    onnx: &[u8],
    interrupt: &Interrupt,
) -> (io::Result<Option<ExitStatus>>, String) {
    let (input, output) = (child.stdin.take(), child.stdout.take());
    std::thread::scope(|scope| {
        // A child that has ended takes no more, and its status says why.
        scope.spawn(move || input.map(|mut input| input.write_all(onnx)));
        let heard = scope.spawn(move || {
            let mut bytes = Vec::new();
            if let Some(mut output) = output {
                let _ = (&mut output).take(LONGEST).read_to_end(&mut bytes);
                // A child that is not heard to its end would end quietly, as when all is well.
                let _ = io::copy(&mut output, &mut io::sink());
            }
            String::from_utf8_lossy(&bytes).trim().to_owned()
        });
        let status = loop {
            match child.try_wait() {
                Ok(None) if interrupt.is_asked() => break Ok(None),
                Ok(None) => std::thread::sleep(LOOK),
                ended => break ended,
            }
        };
        if !matches!(status, Ok(Some(_))) {
            // So that the two threads end as well.
            let _ = child.kill();
        }
        (status, heard.join().unwrap_or_default())
    })
}

/// The exit code of a child that says why the model cannot be opened.
const REFUSED: u8 = 1;

/// What the child does: reads a model from the standard input, plans it and runs it once there and back, within so many bytes of
/// memory and seconds of computing. Returns its exit code; where that is not 0, `say` was given a sentence.
pub fn open(memory: u64, seconds: u64, say: impl FnOnce(&str)) -> u8 {
    let opened = bound(memory, seconds).map_err(|error| error.to_string()).and_then(|()| {
        let mut bytes = Vec::new();
        io::stdin().lock().read_to_end(&mut bytes).map_err(|error| error.to_string())?;
        let mut model = Model::from_onnx(bytes.into(), "uploaded", Settings::default())
            .map_err(|error| error.to_string())?;
        model.memory_bound = UPLOADED_ARRAYS;
        let threads = Threads::new(1).map_err(|error| error.to_string())?;
        let input = vec![0.0; model.graph.value(model.input).shape.elements()];
        let passed = Runner::new(Arc::new(model), threads).gradient(
            BackwardRule::default(),
            &Target::class(0),
            &input,
        );
        match passed {
            // No request could do more.
            Err(error) if error.is_of_cost() => Err(error.to_string()),
            // What a pass says else of this input is no reason to refuse the model: requests are told of theirs. Its memory and time count.
            _ => Ok(()),
        }
    });
    match opened {
        Ok(()) => 0,
        Err(sentence) => {
            say(&sentence);
            REFUSED
        }
    }
}

/// Bounds this process for good.
#[cfg(unix)]
fn bound(memory: u64, seconds: u64) -> io::Result<()> {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let at_most = |most: u64| Rlimit { current: Some(most), maximum: Some(most) };
    setrlimit(Resource::As, at_most(memory))?;
    setrlimit(Resource::Cpu, at_most(seconds))?;
    // The end of a child is expected, and nothing to keep.
    setrlimit(Resource::Core, at_most(0))?;
    Ok(())
}

/// This system has no such bounds; the parent ends a child that takes too long.
#[cfg(not(unix))]
fn bound(_memory: u64, _seconds: u64) -> io::Result<()> {
    Ok(())
}
