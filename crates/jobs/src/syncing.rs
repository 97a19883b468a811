//! Files on their way to the disk.
//!
//! A part is complete once the files of all of its rows are on the disk. If each were waited for then, nothing else would happen for
//! seconds: workers are only a few rows ahead of the one that takes their results. So a thread waits for them one after the other, as soon
//! as they are written.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;

use deepinside::{Error, Result};

use crate::durable::sync_file;

/// How many files may wait: where the disk is slower than everything else, that sets the pace.
const MOST_WAITING: usize = 256;

enum Message {
    File(PathBuf),
    /// Answers once all files before are on the disk.
    Wait(Sender<Result<()>>),
}

/// A thread that brings files to the disk.
pub struct Syncing {
    sender: Option<SyncSender<Message>>,
    thread: Option<JoinHandle<()>>,
}

impl Syncing {
    /// Starts it.
    pub fn start() -> Self {
        let (sender, receiver) = sync_channel(MOST_WAITING);
        Self { sender: Some(sender), thread: Some(std::thread::spawn(move || work(&receiver))) }
    }

    /// Sees to a file that is written.
    ///
    /// # Errors
    /// When the thread has died.
    pub fn file(&self, path: PathBuf) -> Result<()> {
        self.send(Message::File(path))
    }

    /// Waits until all files are on the disk that it was told of.
    ///
    /// # Errors
    /// When one cannot be brought there.
    pub fn wait(&self) -> Result<()> {
        let (sender, receiver) = channel();
        self.send(Message::Wait(sender))?;
        receiver.recv().map_err(|_| dead())?
    }

    fn send(&self, message: Message) -> Result<()> {
        let sender = self.sender.as_ref().ok_or_else(dead)?;
        sender.send(message).map_err(|_| dead())
    }
}

impl Drop for Syncing {
    fn drop(&mut self) {
        // The thread ends with its last message.
        self.sender = None;
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn work(receiver: &Receiver<Message>) {
    let mut outcome = Ok(());
    for message in receiver {
        match message {
            Message::File(path) if outcome.is_ok() => outcome = sync_file(&path),
            Message::File(_) => {}
            // The one that waited may be gone.
            Message::Wait(answer) => drop(answer.send(std::mem::replace(&mut outcome, Ok(())))),
        }
    }
}

fn dead() -> Error {
    Error::Option(
        "the thread that brings files to the disk ended, which is a fault of the program".to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_cannot_be_brought_to_the_disk_is_told_when_it_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(&path, "a").unwrap();
        let syncing = Syncing::start();
        syncing.file(path.clone()).unwrap();
        syncing.wait().unwrap();
        syncing.file(folder.path().join("missing")).unwrap();
        syncing.file(path).unwrap();
        let error = syncing.wait().unwrap_err().to_string();
        assert!(error.contains("missing"), "{error}");
        // It was told; what follows is another matter.
        syncing.wait().unwrap();
    }
}
