use std::{
    fs::File,
    sync::{Arc, mpsc},
    thread::JoinHandle,
    time::Duration,
};

/// Brings what is written to the disk itself, again and again, on a thread of its own: a slow disk keeps nobody waiting.
pub(super) struct Syncer {
    files: Option<mpsc::Sender<Arc<File>>>,
    thread: Option<JoinHandle<()>>,
}

impl Syncer {
    /// At most `every` so long passes between a write and its sync, if the disk keeps up.
    pub(super) fn start(every: Duration) -> std::io::Result<Self> {
        let (files, written) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("journal-sync".to_owned())
            .spawn(move || run(every, &written))?;
        Ok(Self {
            files: Some(files),
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
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}

fn run(every: Duration, written: &mpsc::Receiver<Arc<File>>) {
    while let Ok(first) = written.recv() {
        if !every.is_zero() {
            // Until then, or until the end.
            std::thread::park_timeout(every);
        }
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
