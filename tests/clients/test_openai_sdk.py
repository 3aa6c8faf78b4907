"""OpenAI's own Python SDK against the gateway, with the simulated AWS behind it."""

import asyncio
import base64
import json

import httpx
import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from pydantic import BaseModel

from conftest import MODELS

PNG = base64.b64encode(
    bytes.fromhex(
        "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360f8cfc0000003010100"
        "18dd8db00000000049454e44ae426082"
    )
).decode()
PDF = base64.b64encode(b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n").decode()
HELLO = [{"role": "user", "content": "Hello, how are you?"}]
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Get the weather in a city",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]}},
            "required": ["city"],
        },
    },
}


@pytest.fixture(scope="module")
def client(gateway):
    with OpenAI(base_url=f"{gateway.url}/v1", api_key=gateway.key, max_retries=0, timeout=60) as client:
        yield client


def run(gateway, work):
    """Runs `work` with an asynchronous client."""

    async def main():
        async with AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key=gateway.key, max_retries=0) as client:
            return await work(client)

    return asyncio.run(main())


# Whole answers and streams.


@pytest.mark.parametrize("model", MODELS)
def test_every_family_answers(client, model):
    completion = client.chat.completions.create(model=model, messages=HELLO)
    assert completion.model == model
    assert completion.object == "chat.completion"
    choice = completion.choices[0]
    assert choice.finish_reason == "stop"
    assert choice.message.role == "assistant" and choice.message.content
    assert completion.usage.total_tokens == completion.usage.prompt_tokens + completion.usage.completion_tokens > 0


@pytest.mark.parametrize("model", MODELS)
def test_every_family_streams(client, model):
    chunks = list(
        client.chat.completions.create(
            model=model, messages=HELLO, stream=True, stream_options={"include_usage": True}
        )
    )
    assert len({chunk.id for chunk in chunks}) == 1
    assert {chunk.model for chunk in chunks} == {model}
    deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    assert deltas[0].role == "assistant"
    assert "".join(delta.content or "" for delta in deltas)
    assert [c.choices[0].finish_reason for c in chunks if c.choices and c.choices[0].finish_reason] == ["stop"]
    assert [bool(chunk.usage) for chunk in chunks] == [False] * (len(chunks) - 1) + [True]


def test_a_stream_says_what_the_whole_answer_says(client):
    whole = client.chat.completions.create(model="claude", messages=HELLO)
    stream = client.chat.completions.create(model="claude", messages=HELLO, stream=True)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)
    assert text == whole.choices[0].message.content


def test_usage_comes_only_when_asked_for(client):
    chunks = list(client.chat.completions.create(model="claude", messages=HELLO, stream=True))
    assert not any(chunk.usage for chunk in chunks)


def test_the_stream_helper_accumulates(client):
    with client.chat.completions.stream(model="claude", messages=HELLO) as stream:
        for _ in stream:
            pass
        completion = stream.get_final_completion()
    assert completion.choices[0].message.content and completion.choices[0].finish_reason == "stop"


def test_async_whole_and_streamed(gateway):
    async def work(client):
        whole = await client.chat.completions.create(model="claude", messages=HELLO)
        stream = await client.chat.completions.create(model="claude", messages=HELLO, stream=True)
        return whole.choices[0].message.content, [chunk async for chunk in stream]

    text, chunks = run(gateway, work)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == text


def test_async_calls_run_side_by_side(gateway):
    async def work(client):
        calls = [client.chat.completions.create(model="claude", messages=HELLO) for _ in range(50)]
        return await asyncio.gather(*calls)

    assert len({completion.id for completion in run(gateway, work)}) == 50


def test_raw_response_has_the_headers(client):
    raw = client.chat.completions.with_raw_response.create(model="claude", messages=HELLO)
    assert raw.headers["x-litellm-call-id"]
    assert raw.headers["x-litellm-model-group"] == "claude"
    assert raw.headers["x-litellm-model-id"]
    assert raw.headers["llm_provider-x-amzn-requestid"]
    assert float(raw.headers["x-litellm-overhead-duration-ms"]) >= 0
    assert raw.headers["x-litellm-attempted-retries"] == "0"
    assert raw.parse().choices


def test_common_parameters_arrive(client, gateway):
    client.chat.completions.create(
        model="claude-3-5",
        messages=[{"role": "system", "content": "Be brief."}, *HELLO],
        temperature=0.5,
        max_tokens=100,
        stop=["END"],
        extra_body={"top_k": 5, "requestMetadata": {"cost_center": "engineering"}},
    )
    body = json.loads(gateway.simulator_calls(1)[0]["body"])
    assert body["inferenceConfig"] == {"maxTokens": 100, "temperature": 0.5, "stopSequences": ["END"]}
    assert body["system"] == [{"text": "Be brief."}]
    assert body["additionalModelRequestFields"] == {"top_k": 5}
    assert body["requestMetadata"] == {"cost_center": "engineering"}


def test_max_tokens_ends_with_length(client):
    completion = client.chat.completions.create(
        model="claude-3-5", messages=[{"role": "user", "content": "[[sim:long=200]] go"}], max_completion_tokens=5
    )
    assert completion.choices[0].finish_reason == "length"


# Tools.


def test_a_tool_loop(client):
    messages = [{"role": "user", "content": "What is the weather in Paris?"}]
    asked = client.chat.completions.create(model="claude", messages=messages, tools=[WEATHER], tool_choice="required")
    assert asked.choices[0].finish_reason == "tool_calls"
    call = asked.choices[0].message.tool_calls[0]
    assert call.function.name == "get_weather"
    assert isinstance(json.loads(call.function.arguments)["city"], str)
    messages += [
        asked.choices[0].message.model_dump(exclude_none=True),
        {"role": "tool", "tool_call_id": call.id, "content": '{"degrees": 21}'},
    ]
    told = client.chat.completions.create(model="claude", messages=messages, tools=[WEATHER])
    assert told.choices[0].finish_reason == "stop" and told.choices[0].message.content


def test_a_streamed_tool_call(client):
    chunks = client.chat.completions.create(
        model="claude",
        messages=[{"role": "user", "content": "What is the weather in Paris?"}],
        tools=[WEATHER],
        tool_choice={"type": "function", "function": {"name": "get_weather"}},
        stream=True,
    )
    name, arguments, ids, finish = "", "", [], None
    for chunk in chunks:
        for choice in chunk.choices:
            finish = choice.finish_reason or finish
            for call in choice.delta.tool_calls or []:
                assert call.index == 0
                ids += [call.id] if call.id else []
                name += call.function.name or ""
                arguments += call.function.arguments or ""
    assert (name, len(ids), finish) == ("get_weather", 1, "tool_calls")
    assert "city" in json.loads(arguments)


def test_several_tool_results_at_once(client):
    calls = [
        {"id": f"call {n}!", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "Rome"}'}}
        for n in range(2)
    ]
    completion = client.chat.completions.create(
        model="claude",
        messages=[
            {"role": "user", "content": "Weather?"},
            {"role": "assistant", "content": None, "tool_calls": calls},
            {"role": "tool", "tool_call_id": "call 0!", "content": "sunny"},
            {"role": "tool", "tool_call_id": "call 1!", "content": "rain"},
        ],
        tools=[WEATHER],
    )
    assert completion.choices[0].message.content


# Structured output.


class Event(BaseModel):
    name: str
    date: str
    participants: list[str]


@pytest.mark.parametrize("model", ["claude", "claude-3-5", "nova"])
def test_parse_gives_an_object(client, model):
    completion = client.chat.completions.parse(
        model=model,
        messages=[{"role": "user", "content": "Alice and Bob go to a science fair on Friday."}],
        response_format=Event,
    )
    assert isinstance(completion.choices[0].message.parsed, Event)
    assert completion.choices[0].finish_reason == "stop"


def test_parse_of_a_stream(client):
    with client.chat.completions.stream(model="claude", messages=HELLO, response_format=Event) as stream:
        completion = stream.get_final_completion()
    assert isinstance(completion.choices[0].message.parsed, Event)


def test_async_parse(gateway):
    async def work(client):
        return await client.chat.completions.parse(model="claude-3-5", messages=HELLO, response_format=Event)

    assert isinstance(run(gateway, work).choices[0].message.parsed, Event)


# Media.


def test_an_image_in_a_data_url(client, gateway):
    content = [
        {"type": "text", "text": "What is in this image?"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
    ]
    completion = client.chat.completions.create(model="claude", messages=[{"role": "user", "content": content}])
    assert completion.choices[0].message.content
    blocks = json.loads(gateway.simulator_calls(1)[0]["body"])["messages"][0]["content"]
    assert {"image": {"format": "png", "source": {"bytes": PNG}}} in blocks


def test_a_document(client, gateway):
    content = [
        {"type": "text", "text": "What is this file about?"},
        {"type": "file", "file": {"filename": "fair.pdf", "file_data": f"data:application/pdf;base64,{PDF}"}},
    ]
    completion = client.chat.completions.create(model="claude", messages=[{"role": "user", "content": content}])
    assert completion.choices[0].message.content
    blocks = json.loads(gateway.simulator_calls(1)[0]["body"])["messages"][0]["content"]
    document = next(block["document"] for block in blocks if "document" in block)
    assert (document["format"], document["source"]) == ("pdf", {"bytes": PDF})


# Thinking.


def test_reasoning_effort_gives_reasoning(client):
    completion = client.chat.completions.create(model="claude-3-7", messages=HELLO, reasoning_effort="low")
    message = completion.choices[0].message
    assert message.reasoning_content
    assert message.thinking_blocks[0]["type"] == "thinking" and message.thinking_blocks[0]["signature"]


def test_thinking_is_streamed_and_replayed(client):
    thinking = {"thinking": {"type": "enabled", "budget_tokens": 1024}}
    text, reasoning, signature = "", "", ""
    for chunk in client.chat.completions.create(
        model="claude-3-7", messages=HELLO, max_tokens=3000, extra_body=thinking, stream=True
    ):
        for choice in chunk.choices:
            text += choice.delta.content or ""
            reasoning += getattr(choice.delta, "reasoning_content", None) or ""
            for block in getattr(choice.delta, "thinking_blocks", None) or []:
                signature += block.get("signature") or ""
    assert text and reasoning and signature
    answer = {
        "role": "assistant",
        "content": text,
        "thinking_blocks": [{"type": "thinking", "thinking": reasoning, "signature": signature}],
    }
    completion = client.chat.completions.create(
        model="claude-3-7",
        messages=[*HELLO, answer, {"role": "user", "content": "Go on."}],
        max_tokens=3000,
        extra_body=thinking,
    )
    assert completion.choices[0].message.content


# Models.


def test_models_are_listed(client):
    models = list(client.models.list())
    assert [model.id for model in models] == list(MODELS)
    assert {(model.object, model.owned_by) for model in models} == {("model", "openai")}


def test_one_model(client):
    assert client.models.retrieve("claude").id == "claude"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("nobody")


# Errors become the SDK's classes.


def ask(client, text, **members):
    return client.chat.completions.create(model="claude", messages=[{"role": "user", "content": text}], **members)


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(
    ("fault", "error", "status"),
    [
        ("throttle", openai.RateLimitError, 429),
        ("error500", openai.InternalServerError, 503),
        ("error503", openai.InternalServerError, 503),
        ("timeout408", openai.APIStatusError, 408),
        ("model-error", openai.APIStatusError, 424),
        ("access-denied", openai.PermissionDeniedError, 403),
        ("context-window", openai.BadRequestError, 400),
        ("validation", openai.BadRequestError, 400),
        ("expired-token", openai.AuthenticationError, 401),
        ("quota", openai.RateLimitError, 429),
        ("not-ready", openai.RateLimitError, 429),
    ],
)
def test_errors_of_aws(client, fault, error, status, streamed):
    with pytest.raises(error) as caught:
        ask(client, f"[[sim:{fault}]]", stream=streamed)
    assert caught.value.status_code == status
    assert caught.value.body["message"] and caught.value.body["type"]
    assert caught.value.body["code"] == str(status)


@pytest.mark.parametrize(
    ("fault", "statuses"),
    [("exception-first", {429}), ("exception-start", {429}), ("corrupt-first", {502}), ("empty-stream", {502})],
)
def test_a_stream_that_fails_before_content_is_a_plain_error(client, fault, statuses):
    with pytest.raises(openai.APIStatusError) as caught:
        ask(client, f"[[sim:{fault}]]", stream=True)
    assert caught.value.status_code in statuses


@pytest.mark.parametrize("fault", ["exception-mid", "cut", "cut-end", "corrupt"])
def test_a_stream_that_fails_later_raises(client, fault):
    stream = ask(client, f"[[sim:long=50]] [[sim:{fault}]]", stream=True)
    text, finish = "", None
    with pytest.raises(openai.APIError) as caught:
        for chunk in stream:
            for choice in chunk.choices:
                text += choice.delta.content or ""
                finish = choice.finish_reason or finish
    assert text and finish is None
    assert not isinstance(caught.value, openai.APIConnectionError), "the connection was cut instead of an error event"


def test_a_guardrail_that_intervenes_is_a_content_filter(client):
    completion = ask(client, "[[sim:guardrail]] tell me", extra_body={"guardrailConfig": {"guardrailIdentifier": "gr1", "guardrailVersion": "DRAFT"}})  # fmt: skip
    assert completion.choices[0].finish_reason == "content_filter"


def test_unknown_model(client):
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="nobody", messages=HELLO)
    assert "nobody" in caught.value.body["message"]


def test_unsupported_parameters_are_named(client):
    with pytest.raises(openai.BadRequestError) as caught:
        ask(client, "hi", n=2, seed=1)
    assert "'n'" in caught.value.body["message"] and "'seed'" in caught.value.body["message"]


@pytest.mark.parametrize("key", ["sk-wrong", "wrong", "sk-" + "x" * 500])
def test_a_wrong_key(gateway, key):
    with OpenAI(base_url=f"{gateway.url}/v1", api_key=key, max_retries=0) as client:
        with pytest.raises(openai.AuthenticationError) as caught:
            client.chat.completions.create(model="claude", messages=HELLO)
    assert caught.value.body["type"] == "auth_error"
    assert key not in caught.value.response.text and gateway.key not in caught.value.response.text


def test_the_sdk_retries_what_is_worth_it(gateway):
    before = gateway.simulator_state()["calls_total"]
    with OpenAI(base_url=f"{gateway.url}/v1", api_key=gateway.key, max_retries=2) as client:
        completion = ask(client, "[[sim:error503=1]] once")
    assert completion.choices[0].message.content
    assert gateway.simulator_state()["calls_total"] - before == 2


def test_a_timeout_of_the_client_is_its_own(gateway):
    with OpenAI(base_url=f"{gateway.url}/v1", api_key=gateway.key, max_retries=0) as client:
        with pytest.raises(openai.APITimeoutError):
            ask(client, "[[sim:stall]]", timeout=httpx.Timeout(1.0))


# The first minutes of a newcomer.


def test_quickstart_chats_with_every_model_it_lists(quickstart):
    with OpenAI(base_url=f"{quickstart.url}/v1", api_key="sk-anything", max_retries=0) as client:
        models = [model.id for model in client.models.list()]
        assert models
        for model in models:
            assert client.chat.completions.create(model=model, messages=HELLO).choices[0].message.content
            stream = client.chat.completions.create(model=model, messages=HELLO, stream=True)
            assert "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)


def test_the_base_url_works_without_v1_too(gateway):
    with OpenAI(base_url=gateway.url, api_key=gateway.key, max_retries=0) as client:
        assert client.chat.completions.create(model="claude", messages=HELLO).choices[0].message.content


@pytest.mark.parametrize("path", ["/engines/claude/chat/completions", "/openai/deployments/claude/chat/completions"])
def test_paths_that_name_the_model(gateway, path):
    status, _, body = gateway.post(path, {"messages": HELLO})
    assert status == 200 and json.loads(body)["model"] == "claude"
