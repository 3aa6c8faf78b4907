"""Claude Code, headless, against `switchyard --simulate`: `make test-agents`, which installs it (400 MB).

What it sends is kept in `recorded/claude-code.jsonl` with `make test-agents RECORD=1`; `test_agents.py` replays that in
every `make test`.
"""

import json
import subprocess
from pathlib import Path

import pytest

from conftest import MODELS
from support import recordings
from support.fake_aws import PIXEL
from support.gateway import Gateway, clean_environment
from support.recorder import Recorder, cleaned

FOLDER = Path(__file__).resolve().parent
# Names that Claude Code knows, so that it asks for what it asks of these models, and one that it does not know.
NAMES = {
    "claude-sonnet-4-5": MODELS["claude"],
    "claude-haiku-4-5": "bedrock/us.anthropic.claude-haiku-4-5-20251001-v1:0",
    "claude-sonnet-4-6": "bedrock/us.anthropic.claude-sonnet-4-6",
    "claude-opus-4-7": "bedrock/us.anthropic.claude-opus-4-7",
    "nova": MODELS["nova"],
}
SWITCHES = {
    "DISABLE_TELEMETRY": "1",
    "DISABLE_AUTOUPDATER": "1",
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
}


@pytest.fixture(scope="module")
def agent_gateway():
    with recordings.simulated(NAMES) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def recording():
    with recordings.kept(recordings.FOLDER / "claude-code.jsonl") as lines:
        yield lines


# Ways to tell it of a gateway.


def directly(url: str, key: str) -> dict[str, str]:
    return {"ANTHROPIC_BASE_URL": url, "ANTHROPIC_API_KEY": key}


def by_token(url: str, key: str) -> dict[str, str]:
    return {"ANTHROPIC_BASE_URL": url, "ANTHROPIC_AUTH_TOKEN": key}


def as_bedrock(url: str, key: str) -> dict[str, str]:
    place = {"ANTHROPIC_BEDROCK_BASE_URL": f"{url}/bedrock", "AWS_REGION": "us-west-2"}
    return place | {"CLAUDE_CODE_USE_BEDROCK": "1", "AWS_BEARER_TOKEN_BEDROCK": key}


class Agent:
    """Claude Code in a home and a project of its own."""

    def __init__(self, gateway: Gateway, folder: Path, recording: list[dict]):
        found = sorted((FOLDER / "node_modules" / "@anthropic-ai").glob("claude-code-*/claude"))
        assert found, "Claude Code is missing: `make test-agents` installs it"
        self.program = found[0]
        self.gateway = gateway
        self.home, self.project = folder / "home", folder / "project"
        self.home.mkdir()
        self.project.mkdir()
        self.recording = recording

    def ask(self, prompt: str, *options: str, model: str = "claude-sonnet-4-5", keep: str = "", how=directly) -> dict:
        """Runs it on a prompt to its end; returns what it says of that. What it sent is kept under the name `keep`."""
        with Recorder(self.gateway.port) as recorder:
            variables = SWITCHES | how(recorder.url, self.gateway.key)
            result = subprocess.run(
                [self.program, "-p", prompt, "--model", model, "--output-format", "json", *options],
                cwd=self.project,
                env=clean_environment(str(self.home), variables),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=120,
            )
        sent = [request for request in recorder.requests if request.method == "POST"]
        assert sent, f"nothing was sent:\n{result.stdout}\n{result.stderr}"
        # The first request of a loop is that of any question.
        for number, request in enumerate(sent if len(sent) == 1 else sent[1:]):
            if keep:
                self.recording.append({"name": f"{keep} {number}", **cleaned(request, self._places())})
        said = json.loads(result.stdout)
        return (said if isinstance(said, dict) else said[-1]) | {"requests": sent}

    def _places(self) -> dict[str, str]:
        """Paths of this machine, as they stand and as names of folders, and what is written instead."""
        return {
            str(self.project): "/home/user/project",
            str(self.home): "/home/user",
            str(self.project).replace("/", "-"): "-home-user-project",
        }


@pytest.fixture
def agent(agent_gateway, tmp_path, recording):
    return Agent(agent_gateway, tmp_path, recording)


@pytest.mark.parametrize("model", NAMES)
def test_it_answers(agent, model):
    said = agent.ask("Say hello.", model=model, keep=f"question to {model}")
    assert said["subtype"] == "success" and not said["is_error"], said
    assert said["result"]


@pytest.mark.parametrize("model", ["claude-sonnet-4-5", "claude-opus-4-7", "nova"])
def test_it_runs_a_tool(agent, model):
    prompt = '[[sim:tool=Bash {"command": "echo from the tool"}]] Run it.'
    said = agent.ask(prompt, "--allowedTools", "Bash(echo:*)", model=model, keep=f"result of a tool for {model}")
    assert said["subtype"] == "success" and said["num_turns"] == 2, said
    assert "from the tool" in said["result"]


def test_it_reads_a_picture(agent):
    picture = agent.project / "pixel.png"
    picture.write_bytes(PIXEL)
    prompt = f'[[sim:tool=Read {{"file_path": "{picture}"}}]] What is in it?'
    said = agent.ask(prompt, "--allowedTools", "Read", keep="picture")
    assert said["subtype"] == "success" and said["num_turns"] == 2, said
    assert b'"type":"image"' in said["requests"][-1].body


def test_it_goes_on_with_a_conversation(agent):
    agent.ask("Say hello.")
    said = agent.ask("Say it again.", "--continue", keep="second turn")
    assert said["subtype"] == "success", said
    roles = [message["role"] for message in json.loads(said["requests"][-1].body)["messages"]]
    assert roles.count("user") >= 2 and "assistant" in roles


def test_it_asks_another_agent(agent):
    call = json.dumps({"description": "say hello", "prompt": "Say hello.", "subagent_type": "general-purpose"})
    said = agent.ask(f"[[sim:tool=Agent {call}]] Ask another.", "--allowedTools", "Agent", keep="another agent")
    assert said["subtype"] == "success", said
    assert len(said["requests"]) >= 3


def test_its_key_may_be_a_bearer_token(agent):
    said = agent.ask("Say hello.", how=by_token)
    assert said["subtype"] == "success", said
    assert said["requests"][0].headers["authorization"].startswith("Bearer ")


def test_it_tries_again_after_a_throttle(agent):
    said = agent.ask("[[sim:throttle=1]] Say hello, once more.")
    assert said["subtype"] == "success" and not said["is_error"], said
    assert [request.status for request in said["requests"]] == [429, 200]


def test_it_understands_a_refusal(agent):
    said = agent.ask("[[sim:access-denied]] Say hello.")
    assert said["is_error"] and said["api_error_status"] == 403, said


def test_it_takes_the_gateway_for_bedrock(agent):
    model = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
    prompt = '[[sim:tool=Bash {"command": "echo from the tool"}]] Run it.'
    said = agent.ask(prompt, "--allowedTools", "Bash(echo:*)", model=model, keep="pass-through", how=as_bedrock)
    assert said["subtype"] == "success" and "from the tool" in said["result"], said
    # It tries smaller models with a question of one word before.
    assert {request.path.rsplit("/", 1)[-1] for request in said["requests"]} == {"invoke", "invoke-with-response-stream"}
    assert {request.status for request in said["requests"]} == {200}
