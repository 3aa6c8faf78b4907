"""The README's commands and snippets, as they stand there."""

import re
import shutil
import subprocess
import sys

import pytest

from support.gateway import REPOSITORY, clean_environment

README = (REPOSITORY / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
ADDRESS = "http://127.0.0.1:4000"


def blocks(language: str, containing: str) -> list[str]:
    """Blocks of the README in a language."""
    found = [text for name, text in BLOCKS if name == language and containing in text]
    assert found, f"the README has no {language} block with {containing!r}"
    return found


def test_the_start_command_is_the_one_that_these_tests_use():
    start = blocks("sh", "cargo run")[0]
    assert "--config examples/configs/quickstart.yaml --simulate" in start


@pytest.mark.parametrize("command", blocks("sh", "curl "))
def test_curl(quickstart, command, tmp_path):
    assert shutil.which("curl"), "curl is missing: `apt-get install curl` or your system's equivalent"
    for body in (command, command.replace('"messages"', '"stream": true, "messages"')):
        result = subprocess.run(
            ["bash", "-euc", body.replace(ADDRESS, quickstart.url)],
            env=clean_environment(str(tmp_path)),
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert result.returncode == 0, result.stderr
        if body == command:
            assert '"finish_reason":"stop"' in result.stdout.replace(" ", "")
        else:
            assert result.stdout.rstrip().endswith("data: [DONE]")


@pytest.mark.parametrize("snippet", blocks("python", "OpenAI"))
def test_python(quickstart, snippet, tmp_path):
    result = subprocess.run(
        [sys.executable, "-c", snippet.replace(ADDRESS, quickstart.url)],
        env=clean_environment(str(tmp_path)),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == 0, result.stderr
    whole, streamed = result.stdout.strip().split("\n", 1)
    assert whole and streamed
