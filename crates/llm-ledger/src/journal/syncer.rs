use std::{
    fs::File,
    sync::{Arc, Condvar, Mutex, PoisonError, mpsc},
    thread::JoinHandle,
    time::Duration,
};

/// Brings what is written to the disk itself, again and again, on a thread of its own: a slow disk keeps nobody waiting.
pub(super) struct Syncer {
    files: Option<mpsc::Sender<Arc<File>>>,
    end: Arc<End>,
    thread: Option<JoinHandle<()>>,
}

/// Whether no more comes: nothing is waited for then. It is not the thread that is woken, as the channel would take that for
/// a message of its own.
#[derive(Default)]
struct End {
    is_here: Mutex<bool>,
    told: Condvar,
}

impl Syncer {
    /// At most `every` so long passes between a write and its sync, if the disk keeps up.
    pub(super) fn start(every: Duration) -> std::io::Result<Self> {
        let (files, written) = mpsc::channel();
        let end = Arc::<End>::default();
        let until = Arc::clone(&end);
        let thread = std::thread::Builder::new()
            .name("journal-sync".to_owned())
            .spawn(move || run(every, &written, &until))?;
        Ok(Self {
            files: Some(files),
            end,
            thread: Some(thread),
        })
    }

    /// Notes that this file was written to.
    pub(super) fn written(&self, file: &Arc<File>) {
        if let Some(files) = &self.files {
            // A thread that is gone has panicked: the system writes it some day.
            let _ = files.send(Arc::clone(file));
        }
    }
}

impl Drop for Syncer {
    /// Waits for the last sync, which is now.
    fn drop(&mut self) {
        self.files = None;
        self.end.tell();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl End {
    fn tell(&self) {
        let is_here = self.is_here.lock();
        *is_here.unwrap_or_else(PoisonError::into_inner) = true;
        self.told.notify_all();
    }

    /// Waits for it, no longer than this.
    fn wait(&self, longest: Duration) {
        let is_here = self.is_here.lock();
        let is_here = is_here.unwrap_or_else(PoisonError::into_inner);
        let goes_on = |is_here: &mut bool| !*is_here;
        // Either way what was written is brought to the disk next.
        drop(self.told.wait_timeout_while(is_here, longest, goes_on));
    }
}

fn run(every: Duration, written: &mpsc::Receiver<Arc<File>>, end: &End) {
    while let Ok(first) = written.recv() {
        end.wait(every);
        let mut files = vec![first];
        for file in written.try_iter() {
            if files.iter().all(|one| !Arc::ptr_eq(one, &file)) {
                files.push(file);
            }
        }
        for file in files {
            if let Err(error) = file.sync_data() {
                tracing::error!(%error, "the disk did not take the journal for certain: its last records last as long as the system runs");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_end_is_not_waited_for_whenever_it_comes() {
        let file = Arc::new(tempfile::tempfile().unwrap());
        for _ in 0..2_000 {
            let syncer = Syncer::start(Duration::from_secs(3600)).unwrap();
            syncer.written(&file);
            drop(syncer);
        }
    }
}
