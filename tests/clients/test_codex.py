"""What Codex really sent (`agents/recorded/codex.jsonl`), asked again of every kind of model behind a gateway.

`make test-agents` runs Codex itself, and records with RECORD=1. Of what it tells its models only the beginnings are kept;
the shape of every request is as it was.
"""

import pytest
from openai.types.responses import Response

from conftest import MODELS
from support import compare, recordings

RECORDED = recordings.lines(recordings.FOLDER / "codex.jsonl")
NAMES = {
    "claude": MODELS["claude"],
    "claude-3-5": MODELS["claude-3-5"],
    "native": "bedrock/invoke/us.anthropic.claude-sonnet-4-5-20250929-v1:0",
    "opus-4-7": "bedrock/us.anthropic.claude-opus-4-7",
    "nova": MODELS["nova"],
    "llama": MODELS["llama"],
    "qwen": MODELS["qwen"],
    "gpt-oss": MODELS["gpt-oss"],
    "luna": "bedrock/us.openai.gpt-5.6-luna",
}
BY_CONVERSE = [name for name in NAMES if name not in ("native", "luna")]


@pytest.fixture(scope="module")
def simulated():
    with recordings.simulated(NAMES) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def refereed():
    with recordings.refereed(NAMES) as both:
        yield both


@pytest.mark.parametrize("model", NAMES)
@pytest.mark.parametrize("recorded", RECORDED, ids=lambda recorded: recorded["name"])
def test_it_is_answered(simulated, recorded, model):
    status, headers, body = recordings.ask(simulated, recorded, model)
    assert status == 200, body.decode()
    assert recorded["body"]["stream"] and headers["content-type"].startswith("text/event-stream")
    assert headers["x-switchyard-warnings"].startswith("tools that nobody runs here were left out: web_search")
    events, problems = compare.read_events(body)
    assert not problems
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert (events[0]["type"], events[-1]["type"]) == ("response.created", "response.completed")
    response = Response.model_validate(events[-1]["response"])
    assert (response.model, response.status) == (model, "completed") and response.output
    done = [event["item"] for event in events if event["type"] == "response.output_item.done"]
    assert done == events[-1]["response"]["output"]
    names = {tool.get("name") for tool in recorded["body"]["tools"]}
    calls = [item for item in response.output if item.type == "function_call"]
    assert {call.namespace or call.name for call in calls} <= names


@pytest.mark.parametrize("model", BY_CONVERSE)
@pytest.mark.parametrize("recorded", RECORDED, ids=lambda recorded: recorded["name"])
def test_botocore_takes_what_is_made_of_it(refereed, recorded, model):
    recordings.is_taken_by_botocore(*refereed, recorded, model)


def test_the_recording_has_every_kind_of_item_and_tool():
    items = {item["type"] for recorded in RECORDED for item in recorded["body"]["input"]}
    assert items >= {"message", "function_call", "function_call_output", "reasoning"}
    tools = {tool["type"] for recorded in RECORDED for tool in recorded["body"]["tools"]}
    assert tools >= {"function", "namespace", "web_search"}
    assert {recorded["body"]["store"] for recorded in RECORDED} == {False}
