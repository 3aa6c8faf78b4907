"""LangChain's integrations for OpenAI and for AWS against the gateway."""

import asyncio
import os
from importlib.util import find_spec
from pathlib import Path

import openai
import pytest
from botocore.config import Config
from langchain_aws import BedrockEmbeddings, ChatBedrock, ChatBedrockConverse
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from pydantic import BaseModel

from conftest import MODELS
from test_openai_sdk import PNG

ONCE = Config(retries={"total_max_attempts": 1})
# OpenAI's token table comes with LiteLLM; else it would be fetched from the network.
TOKEN_TABLE = Path(find_spec("litellm").origin).parent / "litellm_core_utils" / "tokenizers"


@tool
def get_weather(city: str) -> str:
    """Get the weather in a city."""
    return f"21 degrees in {city}"


def chat(gateway, model="claude", **members) -> ChatOpenAI:
    return ChatOpenAI(model=model, base_url=f"{gateway.url}/v1", api_key=gateway.key, max_retries=0, **members)


@pytest.mark.parametrize("model", MODELS)
def test_invoke(gateway, model):
    answer = chat(gateway, model).invoke([SystemMessage("Be brief."), HumanMessage("Hello!")])
    assert isinstance(answer, AIMessage) and answer.content
    assert answer.response_metadata["finish_reason"] == "stop"
    assert answer.usage_metadata["total_tokens"] > 0


def test_stream(gateway):
    whole = chat(gateway).invoke("Hello!")
    total = None
    for chunk in chat(gateway, stream_usage=True).stream("Hello!"):
        total = chunk if total is None else total + chunk
    assert total.content == whole.content
    assert total.usage_metadata["total_tokens"] == whole.usage_metadata["total_tokens"]


def test_async_and_batch(gateway):
    async def main():
        pieces = [chunk.content async for chunk in chat(gateway).astream("Hello!")]
        return "".join(pieces), await chat(gateway).abatch([f"Hello {n}!" for n in range(10)])

    text, answers = asyncio.run(main())
    assert text and len({answer.id for answer in answers}) == 10


def test_a_tool_loop(gateway):
    model = chat(gateway).bind_tools([get_weather], tool_choice="any")
    messages = [HumanMessage("What is the weather in Paris?")]
    asked = model.invoke(messages)
    call = asked.tool_calls[0]
    assert call["name"] == "get_weather" and isinstance(call["args"]["city"], str)
    result = get_weather.invoke(call)
    assert isinstance(result, ToolMessage) and result.tool_call_id == call["id"]
    told = chat(gateway).bind_tools([get_weather]).invoke([*messages, asked, result])
    assert told.content and not told.tool_calls


def test_a_streamed_tool_call(gateway):
    total = None
    for chunk in chat(gateway).bind_tools([get_weather], tool_choice="get_weather").stream("Weather in Paris?"):
        total = chunk if total is None else total + chunk
    assert [call["name"] for call in total.tool_calls] == ["get_weather"] and "city" in total.tool_calls[0]["args"]


@pytest.mark.parametrize("method", ["json_schema", "function_calling"])
def test_structured_output(gateway, method):
    class Event(BaseModel):
        """An event in a calendar."""

        name: str
        participants: list[str]

    model = chat(gateway).with_structured_output(Event, method=method)
    assert isinstance(model.invoke("Alice and Bob go to a science fair."), Event)


def test_an_image(gateway):
    content = [
        {"type": "text", "text": "What is in this image?"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
    ]
    assert chat(gateway).invoke([HumanMessage(content)]).content
    assert PNG in gateway.simulator_calls(1)[0]["body"]


def test_responses(gateway):
    model = chat(gateway, use_responses_api=True)
    assert model.invoke("Hello!").text
    total = None
    for chunk in model.bind_tools([get_weather], tool_choice="get_weather").stream("Weather in Paris?"):
        total = chunk if total is None else total + chunk
    assert [call["name"] for call in total.tool_calls] == ["get_weather"] and "city" in total.tool_calls[0]["args"]


def test_errors(gateway):
    with pytest.raises(openai.RateLimitError):
        chat(gateway).invoke("[[sim:throttle]]")
    with pytest.raises(openai.AuthenticationError):
        ChatOpenAI(model="claude", base_url=f"{gateway.url}/v1", api_key="sk-wrong", max_retries=0).invoke("Hello!")


@pytest.mark.parametrize("as_tokens", [True, False], ids=["tokens", "texts"])
@pytest.mark.parametrize("model", ["titan-embed", "cohere-embed"])
def test_embeddings(operations, monkeypatch, model, as_tokens):
    """It sends lists of token numbers unless told otherwise."""
    monkeypatch.setitem(os.environ, "TIKTOKEN_CACHE_DIR", str(TOKEN_TABLE))
    embeddings = OpenAIEmbeddings(
        model=model,
        base_url=f"{operations.url}/v1",
        api_key=operations.key,
        max_retries=0,
        check_embedding_ctx_length=as_tokens,
    )
    documents = embeddings.embed_documents(["Hello world", "Saipan is an island."])
    assert len(documents) == 2 and documents[0] != documents[1]
    assert embeddings.embed_query("Hello world") == pytest.approx(documents[0], rel=1e-5)
    assert "Hello world" in operations.simulator_calls(1)[0]["body"]


# AWS's own integration, by the pass-through: a virtual key stands for the access key.


def aws(gateway) -> dict:
    """The arguments that lead it here."""
    return {
        "region_name": "us-west-2",
        "endpoint_url": f"{gateway.url}/bedrock",
        "aws_access_key_id": gateway.key,
        "aws_secret_access_key": "not used",
    }


@pytest.mark.parametrize("model", ["claude", "nova", "anthropic.claude-3-5-sonnet-20240620-v1:0"])
def test_converse(gateway, model):
    chat = ChatBedrockConverse(model=model, provider="anthropic", **aws(gateway))
    answer = chat.invoke([SystemMessage("Be brief."), HumanMessage("Hello!")])
    assert answer.text and answer.usage_metadata["total_tokens"] > 0
    text = "".join(chunk.text for chunk in chat.stream([SystemMessage("Be brief."), HumanMessage("Hello!")]))
    assert text == answer.text


def test_converse_with_tools(gateway):
    chat = ChatBedrockConverse(model="claude", provider="anthropic", **aws(gateway))
    messages = [HumanMessage("What is the weather in Paris?")]
    asked = chat.bind_tools([get_weather], tool_choice="any").invoke(messages)
    (call,) = asked.tool_calls
    told = chat.bind_tools([get_weather]).invoke([*messages, asked, get_weather.invoke(call)])
    assert told.text and not told.tool_calls


def test_invoke_model(gateway):
    chat = ChatBedrock(model="anthropic.claude-3-5-sonnet-20240620-v1:0", **aws(gateway))
    assert chat.invoke("Hello!").text
    assert "".join(chunk.text for chunk in chat.stream("Hello!"))


def test_aws_embeddings(operations):
    embeddings = BedrockEmbeddings(model_id="amazon.titan-embed-text-v2:0", **aws(operations))
    assert len(embeddings.embed_documents(["one", "two"])) == 2 and embeddings.embed_query("one")


def test_aws_errors(gateway):
    with pytest.raises(Exception, match="ThrottlingException"):
        ChatBedrockConverse(model="claude", provider="anthropic", **aws(gateway), config=ONCE).invoke("[[sim:throttle]]")
