"""What coding agents that speak Messages or Bedrock's own API really sent (`agents/recorded/`), asked again of what is behind a gateway.

`make test-agents` runs the agents themselves, and records with RECORD=1. Of what they tell their models only the beginnings are
kept; the shape of every request is as it was.
"""

import base64
import json
import re

import pytest
from botocore.eventstream import EventStreamBuffer

from conftest import MODELS
from support import messages, recordings

FILES = sorted(recordings.FOLDER.glob("*.jsonl"))
LINES = [line for file in FILES for line in recordings.lines(file)]
RECORDED = [line for line in LINES if line["path"].startswith("/v1/messages")]
PASSED_ON = [line for line in LINES if line["path"].startswith("/bedrock/")]
# By Claude's own format, and translated to Converse.
OWN = {
    "sonnet-4-5": MODELS["claude"],
    "claude-3-7": MODELS["claude-3-7"],
    "claude-3-5": MODELS["claude-3-5"],
    "opus-4-7": "bedrock/us.anthropic.claude-opus-4-7",
    "sonnet-4-6": "bedrock/us.anthropic.claude-sonnet-4-6",
}
TRANSLATED = {
    "by-converse": "bedrock/converse/us.anthropic.claude-sonnet-4-5-20250929-v1:0",
    "nova": MODELS["nova"],
    "llama": MODELS["llama"],
    "qwen": MODELS["qwen"],
    "gpt-oss": MODELS["gpt-oss"],
}


@pytest.fixture(scope="module")
def simulated():
    with recordings.simulated(OWN | TRANSLATED) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def refereed():
    with recordings.refereed(TRANSLATED) as both:
        yield both


@pytest.mark.parametrize("model", [*OWN, *TRANSLATED])
@pytest.mark.parametrize("recorded", RECORDED, ids=lambda recorded: recorded["name"])
def test_it_is_answered(simulated, recorded, model):
    status, headers, body = recordings.ask(simulated, recorded, model)
    assert status == 200, body.decode()
    assert recorded["body"]["stream"] and headers["content-type"].startswith("text/event-stream")
    message, problems = messages.reassemble(body.decode())
    assert not problems
    assert message["model"] == model and message["content"]
    assert message["stop_reason"] in ("end_turn", "tool_use", "max_tokens")
    names = {tool["name"] for tool in recorded["body"]["tools"]}
    assert {block["name"] for block in message["content"] if block["type"] == "tool_use"} <= names


@pytest.mark.parametrize("recorded", PASSED_ON, ids=lambda recorded: recorded["name"])
def test_bedrocks_own_calls_are_answered(simulated, recorded):
    status, headers, body = simulated.post(recorded["path"], recorded["body"], recorded["headers"])
    assert status == 200, body.decode()
    if recorded["path"].endswith("/invoke"):
        assert json.loads(body)["type"] == "message"
        return
    assert headers["content-type"] == "application/vnd.amazon.eventstream"
    frames = EventStreamBuffer()
    frames.add_data(body)
    events = [json.loads(base64.b64decode(json.loads(frame.payload)["bytes"])) for frame in frames]
    stream = "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events)
    message, problems = messages.reassemble(stream)
    assert not problems and message["content"]


@pytest.mark.parametrize("model", TRANSLATED)
@pytest.mark.parametrize("recorded", RECORDED, ids=lambda recorded: recorded["name"])
def test_botocore_takes_what_is_made_of_it(refereed, recorded, model):
    recordings.is_taken_by_botocore(*refereed, recorded, model)


@pytest.mark.parametrize("model", ["sonnet-4-5", "nova"])
def test_its_tokens_can_be_counted(simulated, model):
    for recorded in RECORDED:
        counted = {name: recorded["body"][name] for name in ("messages", "system", "tools", "thinking")}
        status, _, body = simulated.post("/v1/messages/count_tokens?beta=true", counted | {"model": model}, recorded["headers"])
        assert status == 200 and json.loads(body)["input_tokens"] > 100, body


def test_recordings_tell_nothing_of_who_made_them():
    assert RECORDED and PASSED_ON
    for file in FILES:
        text = file.read_text()
        assert not re.findall(r"(?:/tmp/|/root|/Users/|sk-[a-z]+-[a-z]+-key|x-api-key\"|[Aa]uthorization\")[^\"\\]{0,40}", text)
        assert set(re.findall(r"/home/\w+", text)) == {"/home/user"}
