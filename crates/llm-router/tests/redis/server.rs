//! A Redis of the test's own.

use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
};

/// A `redis-server` on a port of its own, ended with the test.
pub(crate) struct RedisServer {
    port: u16,
    folder: tempfile::TempDir,
    process: Child,
}

impl RedisServer {
    /// Starts one and waits until it answers.
    pub(crate) fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .expect("a free port")
            .port();
        let folder = tempfile::tempdir().expect("a folder");
        let process = spawn(port, folder.path());
        let server = Self {
            port,
            folder,
            process,
        };
        server.wait();
        server
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Ends it without a word.
    pub(crate) fn kill(&mut self) {
        self.process.kill().expect("it runs");
        self.process.wait().expect("it ends");
    }

    /// Starts an empty one at the same address.
    pub(crate) fn start_again(&mut self) {
        self.process = spawn(self.port, self.folder.path());
        self.wait();
    }

    /// Keeps its connections, and answers nothing.
    pub(crate) fn freeze(&self) {
        self.signal("-STOP");
    }

    pub(crate) fn thaw(&self) {
        self.signal("-CONT");
    }

    /// The seconds of its clock.
    pub(crate) fn time(&self) -> u64 {
        let answer = self.say(&["TIME"]);
        answer[2].parse().expect("seconds")
    }

    /// The members of a sorted set.
    pub(crate) fn count(&self, key: &str) -> u64 {
        let answer = self.say(&["ZCARD", key]);
        answer[0].trim_start_matches(':').parse().expect("a number")
    }

    /// The lines of its answer to a command.
    pub(crate) fn say(&self, words: &[&str]) -> Vec<String> {
        self.try_say(words).expect("it answers")
    }

    fn try_say(&self, words: &[&str]) -> std::io::Result<Vec<String>> {
        let stream = TcpStream::connect(("127.0.0.1", self.port))?;
        let mut command = format!("*{}\r\n", words.len());
        for word in words {
            command.push_str(&format!("${}\r\n{word}\r\n", word.len()));
        }
        (&stream).write_all(command.as_bytes())?;
        (&stream).write_all(b"*1\r\n$4\r\nQUIT\r\n")?;
        BufReader::new(stream).lines().collect()
    }

    fn wait(&self) {
        for _ in 0..2_000 {
            if self.try_say(&["PING"]).is_ok_and(|lines| !lines.is_empty()) {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        panic!("redis-server does not answer");
    }

    fn signal(&self, signal: &str) {
        let id = self.process.id().to_string();
        let sent = Command::new("kill").args([signal, &id]).status();
        assert!(sent.expect("kill runs").success());
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

fn spawn(port: u16, folder: &std::path::Path) -> Child {
    Command::new("redis-server")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
        .args(["--save", "", "--appendonly", "no", "--dir"])
        .arg(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("redis-server must be installed; `cargo xtask test` does that")
}
