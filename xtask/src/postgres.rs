//! A PostgreSQL server of the tests' own: in a temporary folder, on loopback, gone afterwards.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use crate::test::apt;

/// Where tests look for the server's address.
pub(crate) const ADDRESS: &str = "INTERLINGUA_TEST_POSTGRES";

/// Where tests look for the programs, to start servers that they may kill.
pub(crate) const PROGRAMS: &str = "INTERLINGUA_POSTGRES";

/// A running server; it ends with this value.
pub(crate) struct Server {
    child: Child,
    folder: PathBuf,
    port: u16,
}

impl Server {
    /// Finds PostgreSQL or installs it, and starts a server.
    pub(crate) fn start() -> Result<Self> {
        let programs = installed()?;
        let folder = std::env::temp_dir().join(format!("interlingua-pg-{}", std::process::id()));
        std::fs::create_dir(&folder).context("making the server's folder")?;
        let user = server_user(&folder)?;
        let data = folder.join("data");
        let mut initdb = as_user(&programs.join("initdb"), user);
        initdb
            .args(["--username=postgres", "--auth=trust", "--no-sync", "-D"])
            .arg(&data)
            .stdout(Stdio::null());
        let made = initdb.status().context("running initdb")?;
        if !made.success() {
            bail!("initdb failed: {made}");
        }
        let port = free_port()?;
        let child = as_user(&programs.join("postgres"), user)
            .arg("-D")
            .arg(&data)
            .args(["-c", "listen_addresses=127.0.0.1"])
            .args(["-c", &format!("port={port}")])
            .args(["-c", "max_connections=200"])
            // Tests end servers only together with their data.
            .args(["-c", "fsync=off"])
            .arg("-c")
            .arg(format!("unix_socket_directories={}", folder.display()))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("starting postgres")?;
        let server = Self {
            child,
            folder,
            port,
        };
        server.wait()?;
        Ok(server)
    }

    /// Where it is.
    pub(crate) fn address(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    fn wait(&self) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(30);
        while std::net::TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            if Instant::now() > deadline {
                bail!("PostgreSQL did not start within 30 seconds");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Nobody needs the data: killing is as good as stopping.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// The folder of PostgreSQL's programs, which are installed if they are missing.
pub(crate) fn installed() -> Result<PathBuf> {
    if let Some(programs) = programs() {
        return Ok(programs);
    }
    apt(&["postgresql"])?;
    programs().context("please install PostgreSQL: initdb, postgres and psql")
}

/// The folder of `initdb`, `postgres` and `psql`: on the path, or where Debian hides them.
fn programs() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    if let Ok(versions) = std::fs::read_dir("/usr/lib/postgresql") {
        folders.extend(versions.flatten().map(|version| version.path().join("bin")));
    }
    let whole = |folder: &PathBuf| {
        ["initdb", "postgres", "psql"]
            .iter()
            .all(|name| folder.join(name).exists())
    };
    folders.into_iter().find(whole)
}

/// A port that nobody listens on.
pub(crate) fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Whom the server runs as: PostgreSQL refuses to be root, so that root lends it to the least of users.
#[cfg(unix)]
fn server_user(folder: &Path) -> Result<Option<u32>> {
    use std::os::unix::fs::{MetadataExt, chown};
    const NOBODY: u32 = 65_534;
    if std::fs::metadata(folder)?.uid() != 0 {
        return Ok(None);
    }
    chown(folder, Some(NOBODY), Some(NOBODY)).context("giving the server its folder")?;
    Ok(Some(NOBODY))
}

#[cfg(unix)]
fn as_user(program: &Path, user: Option<u32>) -> Command {
    use std::os::unix::process::CommandExt;
    let mut command = Command::new(program);
    command.current_dir("/");
    if let Some(user) = user {
        command.uid(user).gid(user);
    }
    command
}

#[cfg(not(unix))]
fn server_user(_: &Path) -> Result<Option<u32>> {
    Ok(None)
}

#[cfg(not(unix))]
fn as_user(program: &Path, _: Option<u32>) -> Command {
    Command::new(program)
}
