//! The bytes of a picture file, given to its decoder a piece at a time, so that decoding can be stopped.

use std::cell::Cell;
use std::io::{self, BufRead, Cursor, Read, Seek, SeekFrom};

/// How many bytes are given at once. Compressed data grow a thousandfold at most, so less than 64 MiB
/// are computed between two looks at whether to stop.
const PIECE: usize = 64 << 10;

/// A file in memory that gives no more bytes once it is asked to stop or its reader has had enough.
pub(crate) struct Guarded<'a> {
    bytes: Cursor<&'a [u8]>,
    /// How many bytes may still be read.
    left: &'a Cell<usize>,
    stop: &'a dyn Fn() -> bool,
}

impl<'a> Guarded<'a> {
    pub fn new(bytes: &'a [u8], left: &'a Cell<usize>, stop: &'a dyn Fn() -> bool) -> Self {
        Self { bytes: Cursor::new(bytes), left, stop }
    }
}

impl BufRead for Guarded<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if (self.stop)() {
            return Err(io::Error::other("the decoding was stopped"));
        }
        let rest = self.bytes.fill_buf()?;
        if self.left.get() == 0 && !rest.is_empty() {
            return Err(io::Error::other("it holds far more image data than its picture takes"));
        }
        Ok(&rest[..rest.len().min(PIECE).min(self.left.get())])
    }

    fn consume(&mut self, count: usize) {
        self.left.set(self.left.get().saturating_sub(count));
        self.bytes.consume(count);
    }
}

impl Read for Guarded<'_> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(target)?;
        self.consume(count);
        Ok(count)
    }
}

impl Seek for Guarded<'_> {
    fn seek(&mut self, place: SeekFrom) -> io::Result<u64> {
        self.bytes.seek(place)
    }
}
