"""LiteLLM as a client of the gateway: what calls LiteLLM's library today may point it here."""

import asyncio
import json
import os

import pytest

# Prices come with the package; nothing is fetched from the network.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import litellm  # noqa: E402

from conftest import MODELS  # noqa: E402
from test_openai_operations import DOCUMENTS  # noqa: E402
from test_openai_sdk import HELLO, PNG, WEATHER  # noqa: E402

# What the library warns itself of.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")

# How the library may be told that a gateway speaks OpenAI's format; it asks with and without `/v1`.
PROVIDERS = [("openai", "/v1"), ("litellm_proxy", ""), ("litellm_proxy", "/v1"), ("hosted_vllm", "/v1")]


@pytest.fixture(scope="module", autouse=True)
def quiet():
    """The library tells nobody of its calls."""
    litellm.telemetry = False
    litellm.suppress_debug_info = True
    litellm.num_retries = 0


def at(gateway, provider: str, model: str, path: str = "/v1") -> dict:
    """The arguments that lead a call here."""
    return {"model": f"{provider}/{model}", "api_base": f"{gateway.url}{path}", "api_key": gateway.key, "max_retries": 0}


# Chat.


@pytest.mark.parametrize(("provider", "path"), PROVIDERS)
def test_whole(gateway, provider, path):
    answer = litellm.completion(messages=HELLO, **at(gateway, provider, "claude", path))
    assert answer.choices[0].message.content and answer.choices[0].finish_reason == "stop"
    assert answer.usage.total_tokens > 0


@pytest.mark.parametrize(("provider", "path"), PROVIDERS)
def test_streamed(gateway, provider, path):
    whole = litellm.completion(messages=HELLO, **at(gateway, provider, "claude", path))
    chunks = list(
        litellm.completion(
            messages=HELLO, stream=True, stream_options={"include_usage": True}, **at(gateway, provider, "claude", path)
        )
    )
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content
    assert chunks[-1].usage.total_tokens == whole.usage.total_tokens


@pytest.mark.parametrize("model", MODELS)
def test_every_family(gateway, model):
    assert litellm.completion(messages=HELLO, **at(gateway, "openai", model)).choices[0].message.content


def test_async_side_by_side(gateway):
    async def main():
        calls = [litellm.acompletion(messages=HELLO, **at(gateway, "litellm_proxy", "nova")) for _ in range(20)]
        return await asyncio.gather(*calls)

    assert len({answer.id for answer in asyncio.run(main())}) == 20


def test_a_tool_loop(gateway):
    messages = [{"role": "user", "content": "What is the weather in Paris?"}]
    here = at(gateway, "litellm_proxy", "claude")
    asked = litellm.completion(messages=messages, tools=[WEATHER], tool_choice="required", **here)
    message = asked.choices[0].message
    assert message.tool_calls[0].function.name == "get_weather"
    messages += [message, {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "21 degrees"}]
    told = litellm.completion(messages=messages, tools=[WEATHER], **here)
    assert told.choices[0].finish_reason == "stop" and told.choices[0].message.content


def test_an_image(gateway):
    content = [
        {"type": "text", "text": "What is in this image?"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
    ]
    here = at(gateway, "litellm_proxy", "claude")
    assert litellm.completion(messages=[{"role": "user", "content": content}], **here).choices[0].message.content
    assert PNG in gateway.simulator_calls(1)[0]["body"]


def test_thinking(gateway):
    here = at(gateway, "litellm_proxy", "claude-3-7")
    message = litellm.completion(messages=HELLO, reasoning_effort="low", **here).choices[0].message
    assert message.reasoning_content and message.thinking_blocks[0]["signature"]


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("throttle", litellm.RateLimitError),
        ("error503", litellm.ServiceUnavailableError),
        ("validation", litellm.BadRequestError),
        ("context-window", litellm.BadRequestError),
        ("expired-token", litellm.AuthenticationError),
        ("access-denied", litellm.APIError),
    ],
)
def test_errors_become_its_exceptions(gateway, fault, error):
    with pytest.raises(error):
        litellm.completion(
            messages=[{"role": "user", "content": f"[[sim:{fault}]]"}], **at(gateway, "litellm_proxy", "claude")
        )


def test_a_wrong_key(gateway):
    here = at(gateway, "litellm_proxy", "claude") | {"api_key": "sk-wrong"}
    with pytest.raises(litellm.AuthenticationError):
        litellm.completion(messages=HELLO, **here)


# Anthropic's Messages, both as a provider of chat and as they are. (To stream them as they are, the library loads its own
# proxy with all that this needs; `test_chat_by_messages` reads the same stream.)


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])
def test_chat_by_messages(gateway, streamed):
    answer = litellm.completion(messages=HELLO, stream=streamed, **at(gateway, "anthropic", "claude", ""))
    if streamed:
        assert "".join(chunk.choices[0].delta.content or "" for chunk in answer)
    else:
        assert answer.choices[0].message.content and answer.usage.prompt_tokens > 0


def test_tools_by_messages(gateway):
    answer = litellm.completion(
        messages=HELLO, tools=[WEATHER], tool_choice="required", **at(gateway, "anthropic", "claude", "")
    )
    assert "city" in json.loads(answer.choices[0].message.tool_calls[0].function.arguments)


@pytest.mark.parametrize("provider", ["anthropic", "litellm_proxy"])
def test_messages(gateway, provider):
    async def main():
        return await litellm.anthropic.messages.acreate(
            messages=HELLO, max_tokens=100, **at(gateway, provider, "claude", "")
        )

    answer = asyncio.run(main())
    assert answer["type"] == "message" and answer["content"][0]["text"]


# Responses and completions.


@pytest.mark.parametrize("provider", ["openai", "litellm_proxy"])
def test_responses(gateway, provider):
    answer = litellm.responses(input="Hello, how are you?", **at(gateway, provider, "claude"))
    assert answer.status == "completed" and answer.output[-1].content[0].text
    events = list(litellm.responses(input="Hello, how are you?", stream=True, **at(gateway, provider, "claude")))
    assert events[-1].type == "response.completed"


@pytest.mark.parametrize("provider", ["text-completion-openai", "litellm_proxy"])
def test_text_completion(gateway, provider):
    answer = litellm.text_completion(prompt="Hello", max_tokens=50, **at(gateway, provider, "nova"))
    assert answer.choices[0].text


# The other operations.


@pytest.mark.parametrize("provider", ["openai", "litellm_proxy"])
@pytest.mark.parametrize("model", ["titan-embed", "cohere-embed"])
def test_embedding(operations, provider, model):
    answer = litellm.embedding(input=["one", "two"], **at(operations, provider, model))
    assert [datum["index"] for datum in answer.data] == [0, 1]
    assert all(isinstance(value, float) for value in answer.data[0]["embedding"])
    assert answer.usage.prompt_tokens > 0


@pytest.mark.parametrize(("provider", "path"), [("cohere", "/v1/rerank"), ("litellm_proxy", ""), ("hosted_vllm", "/v1")])
def test_rerank(operations, provider, path):
    here = at(operations, provider, "cohere-rerank", path)
    here.pop("max_retries")
    answer = litellm.rerank(query="What is the capital of the United States?", documents=DOCUMENTS, top_n=2, **here)
    assert answer.results[0]["index"] == 2 and len(answer.results) == 2


@pytest.mark.parametrize("provider", ["openai", "litellm_proxy"])
def test_image_generation(operations, provider):
    here = at(operations, provider, "canvas")
    answer = litellm.image_generation(prompt="A lighthouse", **here)
    assert answer.data[0].b64_json
