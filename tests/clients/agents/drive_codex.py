"""Codex, headless, against `switchyard --simulate`: `make test-agents`, which installs it.

What it sends is kept in `recorded/codex.jsonl` with `make test-agents RECORD=1`; `test_codex.py` replays that in every
`make test`.
"""

import json
import subprocess
from pathlib import Path

import pytest

from conftest import MODELS
from support import recordings
from support.gateway import Gateway, clean_environment
from support.recorder import Recorder, cleaned
from test_node import NODE

FOLDER = Path(__file__).resolve().parent
PROGRAM = FOLDER / "node_modules" / "@openai" / "codex" / "bin" / "codex.js"
NAMES = {name: MODELS[name] for name in ("claude", "nova", "gpt-oss")}
SETTINGS = """
model_provider = "switchyard"
check_for_update_on_startup = false
model_supports_reasoning_summaries = true
[analytics]
enabled = false
[model_providers.switchyard]
name = "Switchyard"
base_url = "{url}/v1"
env_key = "SWITCHYARD_KEY"
wire_api = "responses"
request_max_retries = 1
stream_max_retries = 1
"""


@pytest.fixture(scope="module")
def agent_gateway():
    with recordings.simulated(NAMES) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def recording():
    with recordings.kept(recordings.FOLDER / "codex.jsonl") as lines:
        yield lines


class Agent:
    """Codex in a home and a project of its own."""

    def __init__(self, gateway: Gateway, folder: Path, recording: list[dict]):
        assert PROGRAM.is_file(), "Codex is missing: `make test-agents` installs it"
        self.gateway = gateway
        self.home, self.project = folder / "home", folder / "project"
        (self.home / ".codex").mkdir(parents=True)
        self.project.mkdir()
        self.recording = recording

    def ask(self, prompt: str, *options: str, model: str = "claude", keep: str = "") -> list:
        """Runs it on a prompt to its end; returns its requests. What it sent is kept under the name `keep`."""
        with Recorder(self.gateway.port) as recorder:
            (self.home / ".codex" / "config.toml").write_text(SETTINGS.format(url=recorder.url))
            result = subprocess.run(
                [NODE, PROGRAM, "exec", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox"]
                + ["--model", model, *options, prompt],
                cwd=self.project,
                env=clean_environment(str(self.home), {"SWITCHYARD_KEY": self.gateway.key}),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=120,
            )
        sent = [request for request in recorder.requests if request.path == "/v1/responses"]
        assert sent, f"nothing was sent:\n{result.stdout}\n{result.stderr}"
        self.said, self.status = result.stdout, result.returncode
        for number, request in enumerate(sent):
            if keep:
                places = {str(self.project): "/home/user/project", str(self.home): "/home/user"}
                self.recording.append({"name": f"{keep} {number}", **cleaned(request, places)})
        return sent


@pytest.fixture
def agent(agent_gateway, tmp_path, recording):
    return Agent(agent_gateway, tmp_path, recording)


def items(request) -> list[dict]:
    """What the request tells of the conversation."""
    return json.loads(request.body)["input"]


@pytest.mark.parametrize("model", NAMES)
def test_it_answers(agent, model):
    (request,) = agent.ask("Say hello. [[sim:say Hello from here.]]", model=model, keep=f"question to {model}")
    assert (agent.status, request.status) == (0, 200), agent.said
    assert "Hello from here." in agent.said


@pytest.mark.parametrize("model", NAMES)
def test_it_runs_a_tool(agent, model):
    prompt = '[[sim:tool=exec_command {"cmd": "echo from the tool > note.txt && cat note.txt"}]] Run it.'
    first, second = agent.ask(prompt, model=model, keep=f"result of a tool for {model}")
    assert (agent.status, first.status, second.status) == (0, 200, 200), agent.said
    assert (agent.project / "note.txt").read_text() == "from the tool\n"
    kinds = [item["type"] for item in items(second)[-2:]]
    assert kinds == ["function_call", "function_call_output"]


def test_it_brings_reasoning_back(agent):
    prompt = '[[sim:tool=exec_command {"cmd": "echo from the tool"}]] Run it.'
    effort = ("-c", 'model_reasoning_effort="low"', "-c", 'model_reasoning_summary="auto"')
    # The simulator's reasoning quotes what comes first, and what is packed cannot be cleaned of this machine's paths.
    effort += ("-c", "include_environment_context=false")
    first, second = agent.ask(prompt, *effort, keep="reasoning")
    assert (agent.status, second.status) == (0, 200), agent.said
    assert json.loads(first.body)["reasoning"]["effort"] == "low"
    (reasoning,) = [item for item in items(second) if item["type"] == "reasoning"]
    assert reasoning["encrypted_content"]


def test_it_calls_a_tool_of_a_namespace(agent):
    prompt = '[[sim:tool=multi_agent_v1__close_agent {"target": "nobody"}]] Close it.'
    _, second = agent.ask(prompt, keep="namespace")
    assert (agent.status, second.status) == (0, 200), agent.said
    (call,) = [item for item in items(second) if item["type"] == "function_call"]
    assert (call["namespace"], call["name"]) == ("multi_agent_v1", "close_agent")


def test_it_goes_on_with_a_conversation(agent):
    agent.ask("Say hello. [[sim:say Hello.]]")
    (request,) = agent.ask("Again. [[sim:say Hello again.]]", "resume", "--last", keep="second turn")
    assert agent.status == 0 and "Hello again." in agent.said
    assert [item["role"] for item in items(request)][-3:] == ["user", "assistant", "user"]


def test_it_tries_again_after_a_broken_stream(agent):
    requests = agent.ask("[[sim:cut=1,long=30]] Say hello, once more.")
    assert agent.status == 0, agent.said
    assert len(requests) == 2


def test_it_understands_a_refusal(agent):
    agent.ask("[[sim:access-denied]] Say hello.")
    assert agent.status != 0
