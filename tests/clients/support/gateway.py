"""The built program as a child process."""

import contextlib
import json
import os
import re
import signal
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]
MASTER_KEY = "sk-tests-master-key-0123456789"
START_SECONDS = float(os.environ.get("SWITCHYARD_START_SECONDS", "30"))
_LISTENING = re.compile(r"listening on (https?)://[\w.\[\]:]*?:(\d+)")
_SIMULATOR = re.compile(r"simulat.*?(http://127\.0\.0\.1:\d+)", re.IGNORECASE)


def binary() -> Path:
    """The program under test: `SWITCHYARD_BIN`, else the debug build."""
    path = os.environ.get("SWITCHYARD_BIN")
    if path:
        found = Path(path)
        found = found if found.is_absolute() else REPOSITORY / found
    else:
        found = REPOSITORY / os.environ.get("CARGO_TARGET_DIR", "target") / "debug" / "switchyard"
    if not found.is_file():
        raise FileNotFoundError(f"{found} is missing: build it with `cargo build`, or run `make clients`")
    return found


def clean_environment(home: str, extra: dict[str, str] | None = None) -> dict[str, str]:
    """Nothing of the caller's AWS or gateway settings may leak into a test."""
    return {
        "PATH": os.environ.get("PATH", ""),
        "HOME": home,
        "AWS_EC2_METADATA_DISABLED": "true",
        "RUST_BACKTRACE": "1",
    } | (extra or {})


def run(*args: str, env: dict[str, str] | None = None, timeout: float = 60) -> subprocess.CompletedProcess:
    """Runs a command of the program to its end."""
    with tempfile.TemporaryDirectory() as home:
        return subprocess.run(
            [binary(), *args],
            cwd=REPOSITORY,
            env=clean_environment(home, env),
            capture_output=True,
            text=True,
            timeout=timeout,
        )


class Gateway:
    """A running gateway; a context manager that ends it."""

    def __init__(self, config: dict | str | Path, *args: str, simulate: bool = False, env: dict | None = None):
        self._folder = tempfile.TemporaryDirectory(prefix="switchyard-")
        folder = Path(self._folder.name)
        if isinstance(config, dict):
            # JSON is YAML.
            path = folder / "config.yaml"
            path.write_text(json.dumps(config, ensure_ascii=False, indent=1))
            self.key = config.get("general_settings", {}).get("master_key")
        else:
            path = REPOSITORY / config
            self.key = None
        self.path = path
        command = [str(binary()), "--config", str(path), "--port", "0"]
        if "--host" not in args:
            command += ["--host", "127.0.0.1"]
        command += ["--simulate"] if simulate else []
        self.lines: list[str] = []
        self._port_found = threading.Event()
        self.process = subprocess.Popen(
            [*command, *args],
            cwd=REPOSITORY,
            env=clean_environment(str(folder), env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._port_found.wait(START_SECONDS)
        match = _LISTENING.search(self.output)
        if not match:
            self.stop()
            raise AssertionError(f"the gateway did not start:\n{self.output}")
        self.port = int(match[2])
        self.url = f"{match[1]}://127.0.0.1:{self.port}"

    @property
    def output(self) -> str:
        """Everything it printed so far."""
        return "".join(self.lines)

    @property
    def simulator_url(self) -> str:
        """The address of the simulated AWS inside it."""
        return eventually(lambda: _SIMULATOR.search(self.output), 5, f"its address in:\n{self.output}")[1]

    def simulator_state(self) -> dict:
        """What the simulated AWS counts."""
        with urllib.request.urlopen(f"{self.simulator_url}/_simulator/state", timeout=10) as response:
            return json.load(response)

    def simulator_calls(self, last: int = 1) -> list[dict]:
        """The last calls that the simulated AWS received."""
        with urllib.request.urlopen(f"{self.simulator_url}/_simulator/calls?last={last}", timeout=10) as response:
            return json.load(response)["calls"]

    def headers(self) -> dict[str, str]:
        """What authenticates a client."""
        return {"Authorization": f"Bearer {self.key}"} if self.key else {}

    def post(self, path: str, body, headers: dict | None = None, timeout: float = 60):
        """Sends a request; returns status, headers (lower case) and body."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        given = {"Content-Type": "application/json", **self.headers(), **(headers or {})}
        given = {name: value for name, value in given.items() if value is not None}
        request = urllib.request.Request(self.url + path, data=data, headers=given, method="POST")
        return _exchange(request, timeout)

    def get(self, path: str, headers: dict | None = None, method: str = "GET", timeout: float = 30):
        """Asks for a path; returns status, headers (lower case) and body."""
        given = {name: value for name, value in {**self.headers(), **(headers or {})}.items() if value is not None}
        return _exchange(urllib.request.Request(self.url + path, headers=given, method=method), timeout)

    def rss_kib(self) -> int:
        """Resident memory, from /proc."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1])

    def alive(self) -> bool:
        """Whether the process still runs."""
        return self.process.poll() is None

    def send_signal(self, number: int):
        """Sends a signal."""
        self.process.send_signal(number)

    def wait(self, timeout: float) -> int:
        """Waits for its end; returns the exit status."""
        return self.process.wait(timeout)

    def stop(self):
        """Ends it, whatever it is doing."""
        if self.alive():
            self.process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(3)
        if self.alive():
            self.process.kill()
            self.process.wait(10)
        self._reader.join(5)
        self.process.stdout.close()
        self._folder.cleanup()

    def __enter__(self) -> "Gateway":
        return self

    def __exit__(self, *_):
        self.stop()

    def _read(self):
        with contextlib.suppress(ValueError):
            for line in self.process.stdout:
                self.lines.append(line)
                if _LISTENING.search(line):
                    self._port_found.set()
        self._port_found.set()


def eventually(check, seconds: float, what: str):
    """Polls until `check` returns something true, and returns that."""
    end = time.monotonic() + seconds
    while True:
        value = check()
        if value:
            return value
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.02)


def _exchange(request: urllib.request.Request, timeout: float):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=timeout) as response:
            return response.status, _lower(response.headers), response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, _lower(error.headers), error.read()


def _lower(headers) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


class Simulator:
    """The simulated AWS as a process of its own: `switchyard simulate-bedrock`."""

    def __init__(self):
        self.process = subprocess.Popen(
            [binary(), "simulate-bedrock", "--port", "0"],
            cwd=REPOSITORY,
            env=clean_environment(tempfile.gettempdir()),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        printed = ""
        for line in self.process.stdout:
            printed += line
            if match := re.search(r"http://127\.0\.0\.1:\d+", line):
                self.url = match[0]
                return
        raise AssertionError(f"the simulator did not start:\n{printed}")

    def state(self) -> dict:
        """What it counts."""
        with urllib.request.urlopen(f"{self.url}/_simulator/state", timeout=10) as response:
            return json.load(response)

    def __enter__(self) -> "Simulator":
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(10)
        self.process.stdout.close()
