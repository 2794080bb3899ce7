//! Log lines, written by a thread of their own: a slow terminal must not slow a request.

use std::{
    io::{self, Write},
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tracing_subscriber::{EnvFilter, fmt::MakeWriter};

use crate::settings::Logs;

/// Bytes that wait for a slow reader; what is more is dropped and counted.
const MOST: usize = 4 << 20;
/// Lines of this long are written together.
const TOGETHER: Duration = Duration::from_millis(20);

/// A sink for whole lines that never waits.
#[derive(Debug, Clone)]
pub(crate) struct Lines(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    waiting: Mutex<Vec<u8>>,
    filled: Condvar,
    dropped: AtomicU64,
}

impl Lines {
    /// Lines to `out`, written by a new thread.
    pub(crate) fn to(mut out: impl Write + Send + 'static) -> Self {
        let lines = Self(Arc::new(Shared {
            waiting: Mutex::new(Vec::new()),
            filled: Condvar::new(),
            dropped: AtomicU64::new(0),
        }));
        let shared = Arc::clone(&lines.0);
        // Without its thread a gateway still works, it only says nothing.
        let _ = thread::Builder::new().name("logs".into()).spawn(move || {
            let mut batch = Vec::new();
            loop {
                shared.wait();
                // What comes at the same time goes out in one write.
                thread::sleep(TOGETHER);
                shared.take(&mut batch);
                let _ = out.write_all(&batch);
                let _ = out.flush();
                batch.clear();
            }
        });
        lines
    }

    /// Adds one line, which ends with a line break.
    pub(crate) fn push(&self, line: &[u8]) {
        let mut waiting = self.0.lock();
        if waiting.len() + line.len() > MOST {
            drop(waiting);
            self.0.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let first = waiting.is_empty();
        waiting.extend_from_slice(line);
        drop(waiting);
        if first {
            self.0.filled.notify_one();
        }
    }

    /// Lines that were dropped because nobody took them in time.
    pub(crate) fn dropped(&self) -> u64 {
        self.0.dropped.load(Ordering::Relaxed)
    }

    /// Waits, not for long, until what was said is written.
    pub(crate) fn flush(&self) {
        for _ in 0..50 {
            if self.0.lock().is_empty() {
                break;
            }
            thread::sleep(TOGETHER);
        }
        thread::sleep(TOGETHER);
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<u8>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait(&self) {
        let guard = self.lock();
        let wait = self.filled.wait_while(guard, |waiting| waiting.is_empty());
        drop(wait.unwrap_or_else(PoisonError::into_inner));
    }

    fn take(&self, batch: &mut Vec<u8>) {
        std::mem::swap(&mut *self.lock(), batch);
    }
}

/// Sends everything that is logged in this process to `lines`.
pub(crate) fn install(logs: &Logs, lines: &Lines) {
    let filter = EnvFilter::try_new(&logs.filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        .with_ansi(false)
        .with_writer(lines.clone());
    // A second gateway in one process keeps the first one's log.
    let _ = if logs.json {
        builder.json().flatten_event(true).try_init()
    } else {
        builder.try_init()
    };
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line(self)
    }
}

/// One line of `tracing`, which writes it in one go.
pub(crate) struct Line<'a>(&'a Lines);

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.push(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// `2026-11-21T08:30:00.123Z`.
pub(crate) fn write_time(out: &mut String, time: SystemTime) {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (days, second) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    let (year, month, day) = civil(days);
    let mut text = *b"0000-00-00T00:00:00.000Z";
    for (place, mut number) in [
        (0..4, year),
        (5..7, month),
        (8..10, day),
        (11..13, second / 3600),
        (14..16, second / 60 % 60),
        (17..19, second % 60),
        (20..23, u64::from(since.subsec_millis())),
    ] {
        for digit in text[place].iter_mut().rev() {
            *digit = b'0' + (number % 10) as u8;
            number /= 10;
        }
    }
    out.push_str(str::from_utf8(&text).unwrap_or_default());
}

/// The date of a day counted from 1970: the calendar repeats every 400 years, and years begin in March so that the
/// leap day comes last.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    (era * 400 + year + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_everyone_reads_them() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (1_735_689_599, "2024-12-31T23:59:59.000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000Z"),
        ] {
            let mut out = String::new();
            write_time(&mut out, UNIX_EPOCH + Duration::from_secs(seconds));
            assert_eq!(out, text);
        }
    }

    #[test]
    fn what_nobody_takes_is_dropped_and_counted() {
        struct Stuck;
        impl Write for Stuck {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                loop {
                    thread::park();
                }
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let lines = Lines::to(Stuck);
        let line = vec![b'x'; 1 << 20];
        for _ in 0..20 {
            lines.push(&line);
        }
        assert!(lines.dropped() >= 10);
    }
}
