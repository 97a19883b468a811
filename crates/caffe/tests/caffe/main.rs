//! Whole files, read as a user of the library reads them.

mod common;
mod hostile;
mod networks;
mod shared;
mod weights;
