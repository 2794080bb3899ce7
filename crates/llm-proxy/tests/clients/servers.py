"""Databases of a test's own, which it may kill, freeze and start again."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

#: PostgreSQL does not run as root, which lends its server to the least of users.
NOBODY = 65534


def until(holds, what, seconds=60):
    """Waits for what another process brings about."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, what
        time.sleep(0.01)


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def parent(process):
    try:
        with open(f"/proc/{process}/stat") as stat:
            # The name before it may have spaces and brackets in it.
            return int(stat.read().rpartition(")")[2].split()[1])
    except OSError:
        return None


class Redis:
    """A `redis-server`."""

    def __init__(self, folder):
        self.port = free_port()
        self.folder = folder
        self.start()

    def start(self):
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", self.folder]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        until(self.answers, "redis-server answers")

    def answers(self):
        try:
            return self.say("PING").startswith("+PONG")
        except OSError:
            return False

    def say(self, command):
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            connection.sendall(command.encode() + b"\r\n")
            return connection.recv(4096).decode()

    def minute(self):
        return int(self.say("TIME").split("\r\n")[2]) // 60

    def kill(self):
        self.process.kill()
        self.process.wait()


class Postgres:
    """A PostgreSQL server, from the programs that `INTERLINGUA_POSTGRES` leads to."""

    def __init__(self):
        self.programs = os.environ["INTERLINGUA_POSTGRES"]
        self.folder = tempfile.mkdtemp(prefix="interlingua-pg-")
        self.user = {}
        if os.geteuid() == 0:
            os.chown(self.folder, NOBODY, NOBODY)
            self.user = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
        self.port = free_port()
        self.data = os.path.join(self.folder, "data")
        initdb = [f"{self.programs}/initdb", "--username=postgres", "--auth=trust", "--no-sync", "-D", self.data]
        subprocess.run(initdb, check=True, stdout=subprocess.DEVNULL, cwd="/", **self.user)
        self.url = f"postgres://postgres@127.0.0.1:{self.port}/postgres"
        try:
            self.start()
        except BaseException:
            self.close()
            raise

    def start(self):
        options = {"listen_addresses": "127.0.0.1", "port": self.port, "fsync": "off", "unix_socket_directories": self.folder}
        command = [f"{self.programs}/postgres", "-D", self.data]
        for name, value in options.items():
            command += ["-c", f"{name}={value}"]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.process = subprocess.Popen(command, cwd="/", **quiet, **self.user)
        until(self.answers, "PostgreSQL answers")

    def answers(self):
        try:
            return self.ask("SELECT 1") == [["1"]]
        except subprocess.CalledProcessError:
            return False

    def ask(self, query):
        """The rows of an answer, as texts."""
        command = [f"{self.programs}/psql", "-X", "-A", "-t", "-q", "-F", "\t", "-c", query, self.url]
        answer = subprocess.run(command, check=True, capture_output=True, text=True, cwd="/", timeout=60)
        return [line.split("\t") for line in answer.stdout.splitlines()]

    def kill(self):
        family = self.family()
        self.signal(signal.SIGKILL)
        self.process.wait()
        # Its children end a moment later, and a new server waits for them.
        until(lambda: not any(os.path.exists(f"/proc/{member}") for member in family), "the server's processes are gone")

    def freeze(self):
        self.signal(signal.SIGSTOP)

    def thaw(self):
        self.signal(signal.SIGCONT)

    def family(self):
        """The server's processes, each of which has a session of its own."""
        numbers = [int(name) for name in os.listdir("/proc") if name.isdigit()]
        return [self.process.pid, *(number for number in numbers if parent(number) == self.process.pid)]

    def signal(self, number):
        for member in self.family():
            try:
                os.kill(member, number)
            except ProcessLookupError:
                pass

    def close(self):
        if self.process.poll() is None:
            self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)
