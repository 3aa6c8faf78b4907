"""Anthropic's own Python SDK against the gateway, with the simulated AWS behind it."""

import asyncio
import json

import anthropic
import httpx2
import pytest
from anthropic import Anthropic, AsyncAnthropic

from test_openai_sdk import PDF, PNG

HELLO = [{"role": "user", "content": "Hello, Claude"}]
# Spoken to in Claude's own format, in Converse's, and a model that knows neither thinking nor tools' choice.
SPEAKERS = ["claude", "claude-3-5", "nova", "llama"]
WEATHER = {
    "name": "get_weather",
    "description": "Get the weather in a city",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
THINKING = {"type": "enabled", "budget_tokens": 1024}


@pytest.fixture(scope="module")
def client(gateway):
    with Anthropic(base_url=gateway.url, api_key=gateway.key, max_retries=0, timeout=60) as client:
        yield client


def sent(gateway) -> dict:
    """The last body that AWS received."""
    return json.loads(gateway.simulator_calls(1)[0]["body"])


def run(gateway, work):
    """Runs `work` with an asynchronous client."""

    async def main():
        async with AsyncAnthropic(base_url=gateway.url, api_key=gateway.key, max_retries=0) as client:
            return await work(client)

    return asyncio.run(main())


# Whole answers and streams.


@pytest.mark.parametrize("model", SPEAKERS)
def test_every_kind_of_model_answers(client, model):
    message = client.messages.create(model=model, max_tokens=100, messages=HELLO)
    assert (message.type, message.role, message.model) == ("message", "assistant", model)
    assert [block.type for block in message.content] == ["text"] and message.content[0].text
    assert message.stop_reason == "end_turn"
    assert message.usage.input_tokens > 0 and message.usage.output_tokens > 0


@pytest.mark.parametrize("model", SPEAKERS)
def test_a_stream_says_what_the_whole_answer_says(client, model):
    whole = client.messages.create(model=model, max_tokens=100, messages=HELLO)
    with client.messages.stream(model=model, max_tokens=100, messages=HELLO) as stream:
        text = "".join(stream.text_stream)
        message = stream.get_final_message()
    assert text == whole.content[0].text == message.content[0].text
    assert (message.stop_reason, message.model) == ("end_turn", model)
    assert message.usage.input_tokens == whole.usage.input_tokens
    assert message.usage.output_tokens == whole.usage.output_tokens


def test_events_come_in_anthropics_order(client):
    events = list(client.messages.create(model="claude", max_tokens=100, messages=HELLO, stream=True))
    kinds = [event.type for event in events]
    assert kinds[:2] == ["message_start", "content_block_start"]
    assert set(kinds[2:-3]) == {"content_block_delta"}
    assert kinds[-3:] == ["content_block_stop", "message_delta", "message_stop"]


def test_async_whole_and_streamed(gateway):
    async def work(client):
        whole = await client.messages.create(model="claude", max_tokens=100, messages=HELLO)
        async with client.messages.stream(model="claude", max_tokens=100, messages=HELLO) as stream:
            text = "".join([piece async for piece in stream.text_stream])
        return whole.content[0].text, text

    whole, streamed = run(gateway, work)
    assert whole == streamed


def test_async_calls_run_side_by_side(gateway):
    async def work(client):
        calls = [client.messages.create(model="claude", max_tokens=100, messages=HELLO) for _ in range(50)]
        return await asyncio.gather(*calls)

    assert len(run(gateway, work)) == 50


def test_raw_response_has_the_headers(client):
    raw = client.messages.with_raw_response.create(model="claude", max_tokens=100, messages=HELLO)
    assert raw.headers["x-litellm-call-id"] and raw.headers["x-litellm-model-group"] == "claude"
    assert raw.parse().content


# What is asked for arrives.


def test_system_as_text_and_as_blocks(client, gateway):
    client.messages.create(model="claude", max_tokens=100, messages=HELLO, system="Be brief.")
    assert sent(gateway)["system"] in ("Be brief.", [{"type": "text", "text": "Be brief."}])
    blocks = [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}]
    client.messages.create(model="claude", max_tokens=100, messages=HELLO, system=blocks)
    assert sent(gateway)["system"] == blocks
    client.messages.create(model="nova", max_tokens=100, messages=HELLO, system="Be brief.")
    assert sent(gateway)["system"] == [{"text": "Be brief."}]


def test_parameters_arrive(client, gateway):
    asked = {"temperature": 0.5, "top_k": 5, "stop_sequences": ["END"], "metadata": {"user_id": "u-1"}}
    client.messages.create(
        model="claude-3-5", max_tokens=100, messages=HELLO, extra_headers={"anthropic-version": "2023-06-01"},
        extra_body=asked,
    )  # fmt: skip
    body = sent(gateway)
    assert body["anthropic_version"] == "bedrock-2023-05-31" and body["max_tokens"] == 100
    assert (body["temperature"], body["top_k"], body["stop_sequences"]) == (0.5, 5, ["END"])
    client.messages.create(model="nova", max_tokens=100, messages=HELLO, extra_body=asked | {"temperature": 0.25})
    assert sent(gateway)["inferenceConfig"] == {"maxTokens": 100, "temperature": 0.25, "stopSequences": ["END"]}


# A model that is reached by Converse ends as by LiteLLM: its turn is over.
@pytest.mark.parametrize(("model", "reason"), [("claude-3-5", "stop_sequence"), ("nova", "end_turn")])
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])
def test_stop_sequences(client, model, reason, streamed):
    asked = {
        "model": model,
        "max_tokens": 100,
        "stop_sequences": ["STOP"],
        "messages": [{"role": "user", "content": "[[sim:say before STOP after]]"}],
    }
    if streamed:
        with client.messages.stream(**asked) as stream:
            message = stream.get_final_message()
    else:
        message = client.messages.create(**asked)
    assert message.stop_reason == reason
    assert "after" not in message.content[0].text


def test_max_tokens_ends_the_answer(client):
    long = [{"role": "user", "content": "[[sim:long=200]] go"}]
    assert client.messages.create(model="claude", max_tokens=5, messages=long).stop_reason == "max_tokens"


# Tools.


@pytest.mark.parametrize("model", ["claude", "nova"])
def test_a_tool_round_trip(client, model):
    messages = [{"role": "user", "content": "What is the weather in Paris?"}]
    asked = {"model": model, "max_tokens": 200, "tools": [WEATHER]}
    first = client.messages.create(messages=messages, tool_choice={"type": "any"}, **asked)
    assert first.stop_reason == "tool_use"
    call = first.content[-1]
    assert (call.type, call.name) == ("tool_use", "get_weather") and isinstance(call.input["city"], str)
    result = {"type": "tool_result", "tool_use_id": call.id, "content": "21 degrees"}
    messages += [{"role": "assistant", "content": first.content}, {"role": "user", "content": [result]}]
    second = client.messages.create(messages=messages, **asked)
    assert second.stop_reason == "end_turn" and second.content[0].text


@pytest.mark.parametrize("model", ["claude", "nova"])
def test_a_streamed_tool_call(client, model):
    with client.messages.stream(
        model=model,
        max_tokens=200,
        tools=[WEATHER],
        tool_choice={"type": "tool", "name": "get_weather"},
        messages=[{"role": "user", "content": "What is the weather in Paris?"}],
    ) as stream:
        pieces = [event.partial_json for event in stream if event.type == "input_json"]
        message = stream.get_final_message()
    call = message.content[-1]
    assert message.stop_reason == "tool_use" and call.name == "get_weather"
    assert json.loads("".join(pieces)) == call.input and "city" in call.input


def test_two_tools_at_once(client):
    message = client.messages.create(
        model="claude",
        max_tokens=200,
        tools=[WEATHER, WEATHER | {"name": "get_time"}],
        messages=[{"role": "user", "content": "[[sim:tools]] weather and time?"}],
    )
    calls = [block for block in message.content if block.type == "tool_use"]
    assert len({call.id for call in calls}) == 2
    results = [{"type": "tool_result", "tool_use_id": call.id, "content": "ok", "is_error": n == 0} for n, call in enumerate(calls)]  # fmt: skip
    told = client.messages.create(
        model="claude",
        max_tokens=200,
        tools=[WEATHER, WEATHER | {"name": "get_time"}],
        messages=[*HELLO, {"role": "assistant", "content": message.content}, {"role": "user", "content": results}],
    )
    assert told.stop_reason == "end_turn"


# Media.


@pytest.mark.parametrize("model", ["claude", "nova"])
def test_an_image(client, gateway, model):
    picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
    content = [picture, {"type": "text", "text": "What is in this image?"}]
    message = client.messages.create(model=model, max_tokens=100, messages=[{"role": "user", "content": content}])
    assert message.content[0].text
    blocks = sent(gateway)["messages"][0]["content"]
    assert blocks[0] in (picture, {"image": {"format": "png", "source": {"bytes": PNG}}})


@pytest.mark.parametrize("model", ["claude", "nova"])
def test_a_document(client, gateway, model):
    document = {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": PDF}}
    content = [document, {"type": "text", "text": "What is this about?"}]
    client.messages.create(model=model, max_tokens=100, messages=[{"role": "user", "content": content}])
    assert PDF in json.dumps(sent(gateway))


# Thinking.


def test_thinking_is_replayed(client, gateway):
    asked = {"model": "claude-3-7", "max_tokens": 3000, "thinking": THINKING}
    message = client.messages.create(messages=HELLO, **asked)
    assert [block.type for block in message.content] == ["thinking", "text"]
    assert message.content[0].thinking and message.content[0].signature
    turns = [*HELLO, {"role": "assistant", "content": message.content}, {"role": "user", "content": "Go on."}]
    assert client.messages.create(messages=turns, **asked).content[-1].text
    replayed = sent(gateway)["messages"][1]["content"][0]
    assert replayed == message.content[0].model_dump(exclude_none=True)


def test_thinking_is_streamed(client):
    with client.messages.stream(model="claude-3-7", max_tokens=3000, thinking=THINKING, messages=HELLO) as stream:
        pieces = [event.thinking for event in stream if event.type == "thinking"]
        message = stream.get_final_message()
    assert [block.type for block in message.content] == ["thinking", "text"]
    assert "".join(pieces) == message.content[0].thinking and message.content[0].signature


# Counting.


@pytest.mark.parametrize("model", ["claude", "nova"])
def test_tokens_are_counted(client, model):
    short = client.messages.count_tokens(model=model, messages=HELLO)
    more = client.messages.count_tokens(
        model=model, messages=HELLO, system="You are a most helpful assistant.", tools=[WEATHER]
    )
    assert 0 < short.input_tokens < more.input_tokens


def test_the_count_is_that_of_the_call(client):
    counted = client.messages.count_tokens(model="claude-3-5", messages=HELLO).input_tokens
    told = client.messages.create(model="claude-3-5", max_tokens=10, messages=HELLO).usage.input_tokens
    assert counted == told


# Errors become the SDK's classes.


def ask(client, text, **members):
    return client.messages.create(
        model="claude", max_tokens=100, messages=[{"role": "user", "content": text}], **members
    )


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(
    ("fault", "error", "status", "kind"),
    [
        ("throttle", anthropic.RateLimitError, 429, "rate_limit_error"),
        ("quota", anthropic.RateLimitError, 429, "rate_limit_error"),
        ("error503", anthropic.InternalServerError, 503, "overloaded_error"),
        ("access-denied", anthropic.PermissionDeniedError, 403, "permission_error"),
        ("context-window", anthropic.BadRequestError, 400, "invalid_request_error"),
        ("validation", anthropic.BadRequestError, 400, "invalid_request_error"),
        ("expired-token", anthropic.AuthenticationError, 401, "authentication_error"),
        ("timeout408", anthropic.APIStatusError, 408, "timeout_error"),
    ],
)
def test_errors_of_aws(client, fault, error, status, kind, streamed):
    with pytest.raises(error) as caught:
        ask(client, f"[[sim:{fault}]]", stream=streamed)
    assert caught.value.status_code == status
    assert caught.value.body["type"] == "error"
    assert caught.value.body["error"]["type"] == kind and caught.value.body["error"]["message"]


@pytest.mark.parametrize("fault", ["exception-mid", "cut", "cut-end", "corrupt"])
def test_a_stream_that_fails_later_raises(client, fault):
    text = ""
    with pytest.raises(anthropic.APIError) as caught:
        for event in ask(client, f"[[sim:long=50]] [[sim:{fault}]]", stream=True):
            assert event.type not in ("message_delta", "message_stop"), "a failed stream ends like a success"
            text += getattr(getattr(event, "delta", None), "text", "")
    assert text
    assert not isinstance(caught.value, anthropic.APIConnectionError), "the connection was cut instead of an error event"


@pytest.mark.parametrize("fault", ["exception-first", "exception-start"])
def test_a_stream_that_fails_before_content_is_a_plain_error(client, fault):
    with pytest.raises(anthropic.RateLimitError):
        ask(client, f"[[sim:{fault}]]", stream=True)


@pytest.mark.parametrize("model", ["nobody", ""])
def test_unknown_model(client, model):
    with pytest.raises((anthropic.NotFoundError, anthropic.BadRequestError)) as caught:
        client.messages.create(model=model, max_tokens=100, messages=HELLO)
    assert caught.value.body["error"]["type"] in ("not_found_error", "invalid_request_error")
    assert (model or "model") in caught.value.body["error"]["message"]


def test_a_mistake_of_the_client_is_named(client):
    with pytest.raises(anthropic.BadRequestError) as caught:
        client.messages.create(model="claude", max_tokens=100, messages=[{"role": "nobody", "content": "hi"}])
    assert "nobody" in caught.value.body["error"]["message"] or "role" in caught.value.body["error"]["message"]


# Keys, in either header.


@pytest.mark.parametrize("key", ["sk-wrong", "wrong"])
def test_a_wrong_key(gateway, key):
    for headers in ({"x-api-key": key, "Authorization": anthropic.omit}, {"Authorization": f"Bearer {key}"}):
        with Anthropic(base_url=gateway.url, api_key=key, max_retries=0, default_headers=headers) as client:
            with pytest.raises(anthropic.AuthenticationError) as caught:
                client.messages.create(model="claude", max_tokens=100, messages=HELLO)
        assert caught.value.body["error"]["type"] == "authentication_error"
        assert key not in caught.value.response.text and gateway.key not in caught.value.response.text


def test_the_key_as_x_api_key(gateway):
    headers = {"x-api-key": gateway.key, "Authorization": anthropic.omit}
    with Anthropic(base_url=gateway.url, api_key=gateway.key, max_retries=0, default_headers=headers) as client:
        assert client.messages.create(model="claude", max_tokens=100, messages=HELLO).content
        assert client.messages.count_tokens(model="claude", messages=HELLO).input_tokens


def test_the_key_as_auth_token(gateway):
    with Anthropic(base_url=gateway.url, auth_token=gateway.key, max_retries=0) as client:
        assert client.messages.create(model="claude", max_tokens=100, messages=HELLO).content


# The SDK's own behaviour stays possible.


def test_the_sdk_retries_what_is_worth_it(gateway):
    before = gateway.simulator_state()["calls_total"]
    with Anthropic(base_url=gateway.url, api_key=gateway.key, max_retries=2) as client:
        assert ask(client, "[[sim:error503=1]] once, by Messages").content[0].text
    assert gateway.simulator_state()["calls_total"] - before == 2


def test_a_timeout_of_the_client_is_its_own(gateway):
    with Anthropic(base_url=gateway.url, api_key=gateway.key, max_retries=0) as client:
        with pytest.raises(anthropic.APITimeoutError):
            ask(client, "[[sim:stall]]", timeout=httpx2.Timeout(1.0))


def test_beta_messages(client):
    message = client.beta.messages.create(
        model="claude", max_tokens=100, messages=HELLO, betas=["interleaved-thinking-2025-05-14", "claude-code-20250219"]
    )
    assert message.content[0].text


def test_models_are_listed(client):
    assert "claude" in [model.id for model in client.models.list()]
