"""OpenAI's own SDK speaking Responses and text completions, with the simulated AWS behind the gateway."""

import base64
import json

import openai
import pytest
from openai import OpenAI
from pydantic import BaseModel

from conftest import MODELS, configuration
from support.gateway import Gateway

WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "Get the weather in a city",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
PNG = base64.b64encode(
    bytes.fromhex(
        "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360f8cfc0000003010100"
        "18dd8db00000000049454e44ae426082"
    )
).decode()


@pytest.fixture(scope="module")
def client(gateway):
    with OpenAI(base_url=f"{gateway.url}/v1", api_key=gateway.key, max_retries=0, timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def keeping():
    """A client of a gateway that keeps responses."""
    settings = {"cache": True, "cache_params": {"type": "local"}}
    with Gateway(configuration(litellm_settings=settings), simulate=True) as gateway:
        with OpenAI(base_url=f"{gateway.url}/v1", api_key=gateway.key, max_retries=0, timeout=60) as client:
            yield client


@pytest.fixture(scope="module")
def native():
    """A client of a gateway whose models speak the format themselves."""
    names = {"luna": "bedrock/us.openai.gpt-5.6-luna", "gemma": "bedrock_mantle/google.gemma-4-31b"}
    entries = [{"model_name": name, "litellm_params": {"model": model, "aws_region_name": "us-west-2"}} for name, model in names.items()]  # fmt: skip
    settings = {"cache": True, "cache_params": {"type": "local", "supported_call_types": []}}
    with Gateway(configuration(model_list=entries, litellm_settings=settings), simulate=True) as gateway:
        with OpenAI(base_url=f"{gateway.url}/v1", api_key=gateway.key, max_retries=0, timeout=60) as client:
            yield client


# Responses.


@pytest.mark.parametrize("model", MODELS)
def test_every_family_answers(client, model):
    response = client.responses.create(model=model, input="Hello, how are you?")
    assert (response.model, response.status, response.object) == (model, "completed", "response")
    assert response.output_text
    assert response.usage.total_tokens == response.usage.input_tokens + response.usage.output_tokens > 0


@pytest.mark.parametrize("model", MODELS)
def test_every_family_streams(client, model):
    with client.responses.stream(model=model, input="Hello, how are you?") as stream:
        events = list(stream)
        final = stream.get_final_response()
    assert [event.sequence_number for event in events] == list(range(len(events)))
    deltas = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert deltas == final.output_text != ""
    assert events[-1].type == "response.completed" and final.usage.output_tokens > 0


def test_instructions_images_and_files(client):
    parts = [
        {"type": "input_text", "text": "What is this? [[sim:say A dot.]]"},
        {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}", "detail": "auto"},
    ]
    response = client.responses.create(
        model="claude", instructions="Be brief.", input=[{"role": "user", "content": parts}], max_output_tokens=100
    )
    assert response.output_text == "A dot." and response.instructions == "Be brief."
    assert response.max_output_tokens == 100


@pytest.mark.parametrize("streamed", [False, True])
def test_a_turn_of_tools(client, streamed):
    conversation = [{"role": "user", "content": 'Weather? [[sim:tool=get_weather {"city": "Oslo"}]]'}]
    arguments = {
        "model": "claude",
        "tools": [WEATHER],
        "store": False,
        "include": ["reasoning.encrypted_content"],
        "reasoning": {"effort": "low", "summary": "auto"},
        "max_output_tokens": 4000,
    }
    if streamed:
        with client.responses.stream(input=conversation, **arguments) as stream:
            pieces = [e.delta for e in stream if e.type == "response.function_call_arguments.delta"]
            response = stream.get_final_response()
    else:
        response, pieces = client.responses.create(input=conversation, **arguments), []
    reasoning = next(item for item in response.output if item.type == "reasoning")
    assert reasoning.summary[0].text and reasoning.encrypted_content
    call = next(item for item in response.output if item.type == "function_call")
    assert (call.name, json.loads(call.arguments)) == ("get_weather", {"city": "Oslo"})
    assert not pieces or "".join(pieces) == call.arguments
    conversation += [item.to_dict() for item in response.output]
    conversation.append({"type": "function_call_output", "call_id": call.call_id, "output": "rain"})
    conversation[0]["content"] = "Weather?"
    answer = client.responses.create(input=conversation, **arguments)
    assert "rain" in answer.output_text


def test_custom_tools_take_plain_text(client):
    tools = [{"type": "custom", "name": "apply_patch", "description": "Applies a patch."}]
    asked = '[[sim:tool=apply_patch {"input": "*** Begin Patch"}]]'
    with client.responses.stream(model="claude", input=asked, tools=tools) as stream:
        done = [event for event in stream if event.type == "response.custom_tool_call_input.done"]
        response = stream.get_final_response()
    call = response.output[-1]
    assert (call.type, call.name, call.input) == ("custom_tool_call", "apply_patch", "*** Begin Patch")
    assert done[0].input == call.input


class Weather(BaseModel):
    """What an answer is held to."""

    city: str
    degrees: int


@pytest.mark.parametrize("model", ["claude", "nova", "claude-3-5"])
def test_parse(client, model):
    response = client.responses.parse(model=model, input="The weather in Oslo", text_format=Weather)
    assert isinstance(response.output_parsed, Weather)
    with client.responses.stream(model=model, input="The weather in Oslo", text_format=Weather) as stream:
        assert isinstance(stream.get_final_response().output_parsed, Weather)


NATIVE = ["luna", "gemma"]


@pytest.mark.parametrize("model", NATIVE)
@pytest.mark.parametrize("streamed", [False, True])
def test_a_model_that_speaks_the_format_is_passed_on(native, model, streamed):
    asked = {"model": model, "input": "hi [[sim:say Good day.]]", "truncation": "auto", "tools": [{"type": "mcp", "server_label": "s", "server_url": "https://mcp.test"}]}  # fmt: skip
    if streamed:
        with native.responses.stream(**asked) as stream:
            events = list(stream)
            response = stream.get_final_response()
        assert [event.sequence_number for event in events] == list(range(len(events)))
        assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == "Good day."
    else:
        response = native.responses.create(**asked)
    assert (response.model, response.status, response.output_text) == (model, "completed", "Good day.")
    assert response.truncation == "auto"
    assert response.usage.total_tokens == response.usage.input_tokens + response.usage.output_tokens > 0


@pytest.mark.parametrize("streamed", [False, True])
def test_a_turn_of_tools_with_a_model_that_speaks_the_format(native, streamed):
    asked = {"model": "luna", "input": "look [[sim:tool=get_weather {\"city\": \"Rome\"}]]", "tools": [WEATHER]}
    if streamed:
        with native.responses.stream(**asked) as stream:
            response = stream.get_final_response()
    else:
        response = native.responses.create(**asked)
    [call] = [item for item in response.output if item.type == "function_call"]
    assert json.loads(call.arguments) == {"city": "Rome"}
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "22 C"}
    answer = native.responses.create(model="luna", previous_response_id=response.id, input=[result], tools=[WEATHER])
    assert answer.previous_response_id == response.id
    assert answer.output_text
    kept = native.responses.retrieve(answer.id)
    assert kept.output_text == answer.output_text


def test_errors_are_openais(client):
    with pytest.raises(openai.BadRequestError) as error:
        client.responses.create(model="nobody", input="x")
    assert error.value.type == "invalid_request_error"
    with pytest.raises(openai.BadRequestError) as error:
        client.responses.create(model="claude", input="x", previous_response_id="resp_1")
    assert error.value.param == "previous_response_id"
    with pytest.raises(openai.RateLimitError):
        client.responses.create(model="claude", input="[[sim:throttle]]")
    with pytest.raises(openai.AuthenticationError):
        client.with_options(api_key="sk-wrong").responses.create(model="claude", input="x")


def test_a_broken_stream_is_a_failed_response(client):
    events = list(client.responses.create(model="claude", input="[[sim:long=50,cut]]", stream=True))
    assert events[-1].type == "response.failed"
    assert events[-1].response.error.code == "server_error"


def test_a_conversation_is_kept(keeping):
    first = keeping.responses.create(model="claude", input="one [[sim:say First.]]")
    second = keeping.responses.create(model="claude", input="two [[sim:say Second.]]", previous_response_id=first.id)
    assert (second.output_text, second.previous_response_id) == ("Second.", first.id)
    assert keeping.responses.retrieve(second.id).output_text == "Second."
    items = list(keeping.responses.input_items.list(second.id, order="asc", limit=2))
    assert [item.type for item in items] == ["message"] * 3
    assert "two" in items[2].content[0].text
    keeping.responses.delete(first.id)
    with pytest.raises(openai.NotFoundError):
        keeping.responses.retrieve(first.id)
    with pytest.raises(openai.BadRequestError):
        keeping.responses.create(model="claude", input="x", previous_response_id=first.id)


def test_items_are_named_where_they_are_kept(keeping):
    first = keeping.responses.create(model="claude", input="one [[sim:say First.]]")
    conversation = [
        {"role": "user", "content": "one"},
        {"type": "item_reference", "id": first.output[0].id},
        {"role": "user", "content": "two [[sim:say Second.]]"},
    ]
    assert keeping.responses.create(model="claude", input=conversation).output_text == "Second."


# Text completions.


@pytest.mark.parametrize("model", MODELS)
def test_every_family_completes(client, model):
    completion = client.completions.create(model=model, prompt="Once upon a time", max_tokens=50)
    assert (completion.object, completion.model) == ("text_completion", model)
    assert completion.choices[0].text and completion.choices[0].finish_reason == "stop"
    assert completion.usage.total_tokens > 0


def test_a_completion_streams(client):
    stream = client.completions.create(
        model="claude", prompt="[[sim:say Good day.]]", stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    assert "".join(chunk.choices[0].text for chunk in chunks) == "Good day."
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices[0].finish_reason] == ["stop"]
    assert chunks[-1].usage.total_tokens > 0


def test_several_prompts(client):
    completion = client.completions.create(model="claude", prompt=["[[sim:say a]]", "[[sim:say b]]"])
    assert [(choice.index, choice.text) for choice in completion.choices] == [(0, "a"), (1, "b")]


def test_several_prompts_stream(client):
    prompts = ["[[sim:say one two]]", "[[sim:say three four]]"]
    said = ["", ""]
    with client.completions.create(model="nova", prompt=prompts, stream=True, stream_options={"include_usage": True}) as stream:  # fmt: skip
        events = list(stream)
    for event in events:
        for choice in event.choices:
            said[choice.index] += choice.text
    assert said == ["one two", "three four"]
    assert events[-1].usage.total_tokens > 0


def test_tokens_are_text(client):
    completion = client.completions.create(model="claude", prompt=[[9906, 1917]])
    assert completion.choices[0].text


def test_what_no_model_has_is_refused(client):
    with pytest.raises(openai.BadRequestError) as error:
        client.completions.create(model="claude", prompt="x", suffix="y")
    assert error.value.param == "suffix"
