//! Writes log lines a few at a time, from a thread of its own.
//!
//! A line per call would be a system call per call, and a reader that has stopped reading would stop the gateway with it.
//! So lines are gathered, written every [`GATHER`] or when [`FULL_BYTES`] have come together, and left out, with a count
//! of them, while nobody reads. The program's end writes what is left.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

/// How long a line may wait for company.
const GATHER: Duration = Duration::from_millis(20);
/// How much is gathered at most before it is written.
const FULL_BYTES: usize = 32 * 1024;
/// How much may wait for a reader that is not reading.
const MOST_BYTES: usize = 4 * 1024 * 1024;

/// Gathers lines for one output.
#[derive(Debug, Clone)]
pub(super) struct Lines(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    waiting: Mutex<Waiting>,
    news: Condvar,
    idle: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    bytes: Vec<u8>,
    /// Lines that were left out.
    lost: u64,
    /// Whether the thread has taken lines that are not written yet.
    is_writing: bool,
}

impl Lines {
    /// Starts the thread that writes to `output`.
    ///
    /// # Errors
    ///
    /// If the thread cannot be started.
    pub(super) fn start(output: impl Write + Send + 'static) -> io::Result<Self> {
        let lines = Self(Arc::new(Shared {
            waiting: Mutex::default(),
            news: Condvar::new(),
            idle: Condvar::new(),
        }));
        let shared = Arc::clone(&lines.0);
        thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || shared.write_on(output))?;
        Ok(lines)
    }

    /// Waits until everything that was said so far is written.
    pub(super) fn flush(&self) {
        let mut waiting = self.0.lock();
        while !waiting.bytes.is_empty() || waiting.is_writing {
            self.0.news.notify_one();
            let woken = self.0.idle.wait_timeout(waiting, GATHER * 4);
            let (back, timeout) = woken.unwrap_or_else(PoisonError::into_inner);
            waiting = back;
            if timeout.timed_out() && waiting.is_writing {
                // Nobody reads; the end of the program does not wait for that.
                return;
            }
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_on(&self, mut output: impl Write) {
        loop {
            let mut waiting = self.lock();
            while waiting.bytes.is_empty() {
                waiting = self
                    .news
                    .wait(waiting)
                    .unwrap_or_else(PoisonError::into_inner);
            }
            if waiting.bytes.len() < FULL_BYTES {
                let woken = self.news.wait_timeout(waiting, GATHER);
                waiting = woken.unwrap_or_else(PoisonError::into_inner).0;
            }
            let bytes = std::mem::take(&mut waiting.bytes);
            let lost = std::mem::take(&mut waiting.lost);
            waiting.is_writing = true;
            drop(waiting);
            // An output that cannot be written to leaves nobody to tell.
            let _written = output.write_all(&bytes).and_then(|()| output.flush());
            if lost > 0 {
                let _written = writeln!(
                    output,
                    "{lost} log lines were left out because nobody read them"
                );
            }
            self.lock().is_writing = false;
            self.idle.notify_all();
        }
    }
}

impl Write for &Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut waiting = self.0.lock();
        if waiting.bytes.len() + line.len() > MOST_BYTES {
            waiting.lost += 1;
            return Ok(line.len());
        }
        let was_empty = waiting.bytes.is_empty();
        waiting.bytes.extend_from_slice(line);
        let is_full = waiting.bytes.len() >= FULL_BYTES;
        drop(waiting);
        if was_empty || is_full {
            self.0.news.notify_one();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = &'a Self;

    fn make_writer(&'a self) -> &'a Self {
        self
    }
}

/// An output that tests can read.
#[cfg(test)]
pub(super) mod test_output {
    use super::{Arc, Mutex, Write, io};

    /// Keeps what is written.
    #[derive(Debug, Clone, Default)]
    pub(crate) struct Collected(Arc<Mutex<Vec<u8>>>);

    impl Collected {
        /// Returns all that was written.
        pub(crate) fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl Write for Collected {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn lines_arrive_in_order_and_flush_waits_for_them() {
        let collected = test_output::Collected::default();
        let lines = Lines::start(collected.clone()).unwrap();
        for line in ["one\n", "two\n", "three\n"] {
            (&lines).write_all(line.as_bytes()).unwrap();
        }
        lines.flush();
        assert_eq!(collected.text(), "one\ntwo\nthree\n");
    }

    /// Writes nothing until it is let go.
    struct Stuck(mpsc::Receiver<()>);
    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.recv().map_err(io::Error::other)?;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_nobody_reads_is_left_out_and_counted() {
        let (held, gate) = mpsc::channel::<()>();
        let lines = Lines::start(Stuck(gate)).unwrap();
        let line = vec![b'x'; MOST_BYTES / 2];
        for _ in 0..6 {
            (&lines).write_all(&line).unwrap();
        }
        assert!(lines.0.lock().lost > 0);
        drop(held);
    }
}
