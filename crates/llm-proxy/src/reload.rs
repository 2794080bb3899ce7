//! New configurations while running: on SIGHUP, and when a file of it changes.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;

use crate::{server::Running, settings::Settings};

/// Reads the configuration again.
pub(crate) type Loader = Arc<dyn Fn() -> Result<Settings, Vec<String>> + Send + Sync>;

/// Who writes a file touches it several times.
const SETTLED: Duration = Duration::from_millis(200);

/// Watches the files of a configuration.
pub(crate) struct Watch {
    /// It stops watching when it is dropped.
    _watcher: RecommendedWatcher,
    changes: mpsc::Receiver<()>,
    files: Vec<PathBuf>,
    seen: Vec<Option<Vec<u8>>>,
}

impl Watch {
    /// Watches `files`; `None` where there are none, or the system cannot.
    ///
    /// Their folders are watched, not the files: editors and Kubernetes replace files instead of writing them.
    pub(crate) fn over(files: &[PathBuf]) -> Option<Self> {
        let (changed, changes) = mpsc::channel(1);
        let mut watcher =
            notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
                if event.is_ok_and(|event| !event.kind.is_access()) {
                    let _ = changed.try_send(());
                }
            })
            .ok()?;
        let folders: BTreeSet<&Path> = files.iter().map(|file| folder(file)).collect();
        if folders.is_empty() {
            return None;
        }
        for folder in folders {
            watcher.watch(folder, RecursiveMode::NonRecursive).ok()?;
        }
        Some(Self {
            _watcher: watcher,
            changes,
            files: files.to_vec(),
            seen: contents(files),
        })
    }

    /// Waits until a file says something else than before. Other files of its folder do not count.
    pub(crate) async fn changed(&mut self) {
        loop {
            if self.changes.recv().await.is_none() {
                return std::future::pending().await;
            }
            tokio::time::sleep(SETTLED).await;
            while self.changes.try_recv().is_ok() {}
            let now = contents(&self.files);
            if now != self.seen {
                self.seen = now;
                return;
            }
        }
    }
}

fn folder(file: &Path) -> &Path {
    file.parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
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
