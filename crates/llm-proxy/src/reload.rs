//! New configurations while running: on SIGHUP, and when a file of it changes.

use std::{path::PathBuf, sync::Arc, time::Duration};

use crate::{server::Running, settings::Settings};

/// Reads the configuration again.
pub(crate) type Loader = Arc<dyn Fn() -> Result<Settings, Vec<String>> + Send + Sync>;

/// How often the files are read. Being told by the system would mean to be told of every write in their folders, and the
/// database is often there; their times may say nothing of a second write within one tick of the clock.
const EVERY: Duration = Duration::from_secs(1);

/// Watches the files of a configuration.
pub(crate) struct Watch {
    files: Vec<PathBuf>,
    /// What they said when they were read last.
    last: Vec<Option<Vec<u8>>>,
    /// What they said when somebody was told.
    seen: Vec<Option<Vec<u8>>>,
}

impl Watch {
    /// Watches `files`; `None` where there are none.
    pub(crate) fn over(files: &[PathBuf]) -> Option<Self> {
        let now = contents(files);
        (!files.is_empty()).then(|| Self {
            files: files.to_vec(),
            last: now.clone(),
            seen: now,
        })
    }

    /// Waits until a file says something else than before, twice: who writes a file touches it several times.
    pub(crate) async fn changed(&mut self) {
        loop {
            tokio::time::sleep(EVERY).await;
            let now = contents(&self.files);
            let settled = now == self.last;
            self.last = now;
            if settled && self.last != self.seen {
                self.seen.clone_from(&self.last);
                return;
            }
        }
    }
}

fn contents(files: &[PathBuf]) -> Vec<Option<Vec<u8>>> {
    files.iter().map(|file| std::fs::read(file).ok()).collect()
}

/// Loads anew; a configuration with mistakes changes nothing but the log.
pub(crate) fn reload(running: &Running, load: &Loader) {
    let problems = match load() {
        Ok(settings) => match running.reload(settings) {
            Ok(()) => {
                tracing::info!("the configuration was loaded anew");
                return;
            }
            Err(error) => vec![format!("{error:#}")],
        },
        Err(problems) => problems,
    };
    for problem in &problems {
        tracing::error!(%problem, "in the new configuration");
    }
    tracing::error!(
        mistakes = problems.len(),
        "the new configuration has mistakes: the one before stays"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_that_is_replaced_counts() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.yaml");
        std::fs::write(&file, "a").unwrap();
        let mut watch = Watch::over(std::slice::from_ref(&file)).unwrap();
        std::fs::write(folder.path().join("new"), "b").unwrap();
        std::fs::rename(folder.path().join("new"), &file).unwrap();
        watch.changed().await;
        assert_eq!(watch.seen, [Some(b"b".to_vec())]);
    }
}
