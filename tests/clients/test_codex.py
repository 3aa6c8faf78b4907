"""What Codex really sent (`agents/recorded/codex.jsonl`), asked again of every kind of model behind a gateway.

`make test-agents` runs Codex itself, and records with RECORD=1. Of what it tells its models only the beginnings are kept;
the shape of every request is as it was.
"""

import json

import pytest
from openai.types.responses import Response

from conftest import MODELS, configuration
from support import compare, referee
from support.fake_aws import FakeAws
from support.gateway import REPOSITORY, Gateway

FILE = REPOSITORY / "tests" / "clients" / "agents" / "recorded" / "codex.jsonl"
RECORDED = [json.loads(line) for line in FILE.read_text().splitlines()]
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
ENTRIES = [{"model_name": name, "litellm_params": {"model": model, "aws_region_name": "us-west-2"}} for name, model in NAMES.items()]  # fmt: skip


@pytest.fixture(scope="module")
def simulated():
    with Gateway(configuration(model_list=ENTRIES), simulate=True) as gateway:
        yield gateway
        assert "panicked" not in gateway.output, gateway.output[-4000:]


@pytest.fixture(scope="module")
def refereed():
    with FakeAws() as aws, Gateway(configuration(model_list=ENTRIES), env=aws.environment()) as gateway:
        yield gateway, aws


def ask(gateway, recorded: dict, model: str, **members):
    return gateway.post(recorded["path"], recorded["body"] | {"model": model} | members, recorded["headers"])


@pytest.mark.parametrize("model", NAMES)
@pytest.mark.parametrize("recorded", RECORDED, ids=lambda recorded: recorded["name"])
def test_it_is_answered(simulated, recorded, model):
    status, headers, body = ask(simulated, recorded, model)
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
    gateway, aws = refereed
    aws.take()
    status, _, body = ask(gateway, recorded, model, stream=False)
    assert status == 200, body.decode()
    (call,) = aws.take()
    assert not referee.problems_of(call)
    aws.verify(call)


def test_the_recording_has_every_kind_of_item_and_tool():
    items = {item["type"] for recorded in RECORDED for item in recorded["body"]["input"]}
    assert items >= {"message", "function_call", "function_call_output", "reasoning"}
    tools = {tool["type"] for recorded in RECORDED for tool in recorded["body"]["tools"]}
    assert tools >= {"function", "namespace", "web_search"}
    assert {recorded["body"]["store"] for recorded in RECORDED} == {False}
