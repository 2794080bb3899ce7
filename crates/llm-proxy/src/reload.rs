//! New configurations while running: on SIGHUP, and when a file of it changes.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime},
};

use crate::{server::Running, settings::Settings};

/// Reads the configuration again.
pub(crate) type Loader = Arc<dyn Fn() -> Result<Settings, Vec<String>> + Send + Sync>;

/// How often the files are looked at. Being told by the system would mean to be told of every write in their folders, and
/// the database is often there.
const EVERY: Duration = Duration::from_secs(1);

/// Who writes a file touches it several times.
const SETTLED: Duration = Duration::from_millis(200);

/// Watches the files of a configuration.
pub(crate) struct Watch {
    files: Vec<PathBuf>,
    stamps: Vec<Option<Stamp>>,
    seen: Vec<Option<Vec<u8>>>,
}

/// What differs between two versions of a file, or between the files that a link led to.
type Stamp = (Option<SystemTime>, u64);

impl Watch {
    /// Watches `files`; `None` where there are none.
    pub(crate) fn over(files: &[PathBuf]) -> Option<Self> {
        (!files.is_empty()).then(|| Self {
            files: files.to_vec(),
            stamps: stamps(files),
            seen: contents(files),
        })
    }

    /// Waits until a file says something else than before.
    pub(crate) async fn changed(&mut self) {
        loop {
            tokio::time::sleep(EVERY).await;
            let stamps = stamps(&self.files);
            if stamps == self.stamps {
                continue;
            }
            tokio::time::sleep(SETTLED).await;
            // As of before the contents: what is written in between is looked at again.
            self.stamps = stamps;
            let now = contents(&self.files);
            if now != self.seen {
                self.seen = now;
                return;
            }
        }
    }
}

fn stamps(files: &[PathBuf]) -> Vec<Option<Stamp>> {
    let stamp = |file: &PathBuf| {
        let about = std::fs::metadata(file).ok()?;
        Some((about.modified().ok(), about.len()))
    };
    files.iter().map(stamp).collect()
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
    async fn a_file_counts_and_its_neighbours_do_not() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.yaml");
        std::fs::write(&file, "a").unwrap();
        let mut watch = Watch::over(std::slice::from_ref(&file)).unwrap();
        std::fs::write(folder.path().join("other"), "x").unwrap();
        std::fs::write(folder.path().join("new"), "b").unwrap();
        std::fs::rename(folder.path().join("new"), &file).unwrap();
        watch.changed().await;
        assert_eq!(watch.seen, [Some(b"b".to_vec())]);
    }
}
