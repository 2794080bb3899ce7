//! New configurations while running: on SIGHUP, and when the file changes.

use std::{path::Path, sync::Arc};

use notify::{RecursiveMode, Watcher};
use tokio::sync::mpsc;

use crate::{server::Running, settings::Settings};

/// Reads the configuration again.
pub(crate) type Loader = Arc<dyn Fn() -> Result<Settings, Vec<String>> + Send + Sync>;

/// A file's folder is watched, not the file: editors and Kubernetes replace files instead of writing them.
pub(crate) fn watch(file: &Path) -> Option<(impl Watcher + use<>, mpsc::Receiver<()>)> {
    let (changed, changes) = mpsc::channel(1);
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        if event.is_ok_and(|event| !event.kind.is_access()) {
            let _ = changed.try_send(());
        }
    })
    .ok()?;
    let folder = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    watcher
        .watch(
            folder.unwrap_or(Path::new(".")),
            RecursiveMode::NonRecursive,
        )
        .ok()?;
    Some((watcher, changes))
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
