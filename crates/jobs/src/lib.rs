//! Jobs over many photographs, which may be stopped at any moment and go on where they were.
//!
//! ```text
//! inputs ──▶ Item ──read──▶ bytes ──worker──▶ Row + its map or picture ──commit, in order──▶ parts
//! folders, lists, tar shards     one picture a worker                      Journal
//! ```
//!
//! * [`input`]: what is looked at: an ordered list of [`input::Item`]s, each with a key. No key is ever a path of a result.
//! * [`task`]: what is done with one photograph: explain, localise, classify, activations.
//! * [`output`]: how results are written. Every format writes *parts* of so many rows; a part is written whole.
//! * [`journal`]: an append-only file of checksummed lines, one for each row. What it says is what is there.
//! * [`batch`]: runs a task over inputs: reader, workers and the one that commits, on bounded queues.
//! * [`exemplars`]: the photographs that excite each unit most.
//! * [`publish`]: a static site of a network: its units, classes, and what photographs say of them.
//! * [`record`]: what a run used and made, and what must be true before it is run again.
//! * [`merge`]: the parts of several shards in one folder. A shard computes whole parts, so that merging changes none.
//!
//! Results have the same bits for every number of workers, and however often a job was stopped: rows are committed in the order of
//! the inputs, and nothing that tells a time is in a result.
#![forbid(unsafe_code)]

pub mod batch;
mod durable;
pub mod exemplars;
pub mod input;
pub mod journal;
pub mod merge;
pub mod output;
mod pipeline;
pub mod publish;
pub mod record;
mod row;
mod syncing;
pub mod task;

pub use row::{Bounds, ClassScore, Row};
