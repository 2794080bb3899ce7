//! Programs that end when we end.

use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use anyhow::{Context, Result, bail};

/// The programs that run; `None` after a signal to stop.
type Running = Mutex<Option<Vec<Child>>>;

/// The programs that run; dropped, they are killed.
#[derive(Debug)]
pub(crate) struct Children {
    running: Arc<Running>,
    pinning: bool,
}

/// A program that serves.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Server {
    pub(crate) id: u32,
    pub(crate) address: SocketAddr,
}

/// Whose processor a program runs on.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Core {
    /// That of the program under test.
    Tested = 0,
    /// That of everything around it.
    Rest = 1,
}

impl Children {
    /// No program yet. A signal to stop kills them all, which ends the comparison with an error, and that cleans up.
    pub(crate) fn new() -> Result<Self> {
        let running = Arc::new(Mutex::new(Some(Vec::new())));
        let on_signal = Arc::clone(&running);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        thread::spawn(move || {
            runtime.block_on(told_to_stop());
            kill(&on_signal);
        });
        let two = thread::available_parallelism().is_ok_and(|cores| cores.get() > 1);
        let taskset = Command::new("taskset").arg("--version").output();
        Ok(Self {
            running,
            pinning: two && taskset.is_ok_and(|output| output.status.success()),
        })
    }

    /// Whether programs stay on a core of their own.
    pub(crate) fn pinning(&self) -> bool {
        self.pinning
    }

    /// How to run `program` on `core`.
    pub(crate) fn command(&self, core: Core, program: &Path) -> Command {
        if !self.pinning {
            return Command::new(program);
        }
        let mut command = Command::new("taskset");
        command.args(["-c", &(core as u8).to_string()]).arg(program);
        command
    }

    /// Starts a server and waits until it says where it answers.
    pub(crate) fn serve(&self, mut command: Command) -> Result<Server> {
        let name = format!("{command:?}");
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| name.clone())?;
        let id = child.id();
        let output = child.stdout.take();
        self.keep(child)?;
        let mut lines = BufReader::new(output.context("no output")?).lines();
        let address = loop {
            let line = lines
                .next()
                .with_context(|| format!("{name} ended before it answered"))??;
            if let Some(address) = address(&line) {
                break address;
            }
        };
        // Read on, or the program would wait for us.
        thread::spawn(move || lines.for_each(drop));
        Ok(Server { id, address })
    }

    /// Asks a server to end, as an operator would, and waits until it has: what it writes at its end is there then.
    pub(crate) fn end(&self, server: Server) -> Result<()> {
        let asked = Command::new("kill")
            .args(["-TERM", &server.id.to_string()])
            .status()
            .context("asking a server to end")?;
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let running = running.as_mut().context("told to stop")?;
        let place = running.iter().position(|child| child.id() == server.id);
        let mut child = running.swap_remove(place.context("no such server")?);
        if !asked.success() {
            let _ = child.kill();
        }
        let ended = child.wait()?;
        match ended.success() {
            true => Ok(()),
            false => bail!("a server ended with {ended}"),
        }
    }

    fn keep(&self, mut child: Child) -> Result<()> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(running) = running.as_mut() else {
            let _ = child.kill();
            let _ = child.wait();
            bail!("told to stop");
        };
        running.push(child);
        Ok(())
    }
}

impl Drop for Children {
    fn drop(&mut self) {
        kill(&self.running);
    }
}

fn kill(running: &Running) {
    let mut running = running.lock().unwrap_or_else(PoisonError::into_inner);
    for mut child in running.take().into_iter().flatten() {
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// The address in a line that says `http://127.0.0.1:1234`.
fn address(line: &str) -> Option<SocketAddr> {
    let (_, rest) = line.split_once("http://")?;
    let end = rest
        .find(|c: char| !(c.is_ascii_digit() || c == '.' || c == ':'))
        .unwrap_or(rest.len());
    rest[..end].parse().ok()
}

#[cfg(unix)]
async fn told_to_stop() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}

#[cfg(not(unix))]
async fn told_to_stop() {
    let _ = tokio::signal::ctrl_c().await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_found_in_what_servers_say() {
        let expected = Some("127.0.0.1:4000".parse().unwrap());
        for line in [
            "http://127.0.0.1:4000",
            "  Listening: http://127.0.0.1:4000/docs",
            "on http://127.0.0.1:4000, and",
        ] {
            assert_eq!(address(line), expected, "{line}");
        }
        assert_eq!(address("http://example.com/"), None);
        assert_eq!(address("nothing"), None);
    }
}
