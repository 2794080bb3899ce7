//! Tells an asyncio loop that something is ready, without ever touching Python from the runtime's threads.

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    task::{Wake, Waker},
    time::Duration,
};

use pyo3::{exceptions::PyOSError, prelude::*};

/// One loop's doorbell: the runtime's threads put tokens on a list and write one byte to a socket that the loop watches.
#[pyclass(frozen, module = "interlingua._native")]
pub(crate) struct Notifier {
    bell: Arc<Bell>,
    #[cfg(unix)]
    watched: std::os::unix::net::UnixStream,
}

struct Bell {
    tokens: Mutex<Vec<u64>>,
    rung: Condvar,
    #[cfg(unix)]
    socket: std::os::unix::net::UnixStream,
}

struct Ring {
    bell: Arc<Bell>,
    token: u64,
}

#[pymethods]
impl Notifier {
    #[new]
    fn new() -> PyResult<Self> {
        #[cfg(unix)]
        {
            let (watched, socket) = std::os::unix::net::UnixStream::pair()?;
            watched.set_nonblocking(true)?;
            socket.set_nonblocking(true)?;
            let bell = Arc::new(Bell {
                tokens: Mutex::default(),
                rung: Condvar::new(),
                socket,
            });
            Ok(Self { bell, watched })
        }
        #[cfg(not(unix))]
        Ok(Self {
            bell: Arc::new(Bell {
                tokens: Mutex::default(),
                rung: Condvar::new(),
            }),
        })
    }

    /// What the loop watches. Not everywhere: see `wait`.
    fn fileno(&self) -> PyResult<i32> {
        #[cfg(unix)]
        return Ok(std::os::fd::AsRawFd::as_raw_fd(&self.watched));
        #[cfg(not(unix))]
        Err(PyOSError::new_err("there is no descriptor to watch here"))
    }

    /// The tokens whose work is ready.
    fn drain(&self) -> Vec<u64> {
        // The byte first: a token that comes between the two rings again.
        #[cfg(unix)]
        {
            use std::io::Read;
            let _ = (&self.watched).read(&mut [0; 64]);
        }
        std::mem::take(&mut *self.bell.lock())
    }

    /// Waits at most so many seconds, for loops that cannot watch a descriptor. Whether there are tokens.
    fn wait(&self, py: Python<'_>, seconds: f64) -> PyResult<bool> {
        let limit =
            Duration::try_from_secs_f64(seconds).map_err(|e| PyOSError::new_err(e.to_string()))?;
        Ok(py.detach(|| {
            let (tokens, _) = self
                .bell
                .rung
                .wait_timeout_while(self.bell.lock(), limit, |tokens| tokens.is_empty())
                .unwrap_or_else(PoisonError::into_inner);
            !tokens.is_empty()
        }))
    }
}

impl Notifier {
    /// What rings with `token`.
    pub(crate) fn waker(&self, token: u64) -> Waker {
        let bell = Arc::clone(&self.bell);
        Arc::new(Ring { bell, token }).into()
    }
}

impl Bell {
    fn lock(&self) -> MutexGuard<'_, Vec<u64>> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Ring {
    fn wake(self: Arc<Self>) {
        let mut tokens = self.bell.lock();
        let silent = tokens.is_empty();
        tokens.push(self.token);
        drop(tokens);
        if silent {
            self.bell.rung.notify_one();
            // A full socket already rings; a closed one has nobody to hear it.
            #[cfg(unix)]
            {
                use std::io::Write;
                let _ = (&self.bell.socket).write(&[1]);
            }
        }
    }
}
