"""The tools of these tests, tested: a comparison that sees nothing and an AWS that accepts everything prove nothing."""

import base64
import copy
import json
import struct

import boto3
import pytest
from botocore.config import Config

from support import answers, compare, messages, signature
from support.exchange import Exchange, load
from support.fake_aws import MAIN_KEY, FakeAws

EXCHANGES = load()


@pytest.fixture
def received():
    with FakeAws() as aws:
        client = boto3.client(
            "bedrock-runtime",
            region_name="us-west-2",
            endpoint_url=aws.url,
            aws_access_key_id=MAIN_KEY[0],
            aws_secret_access_key=MAIN_KEY[1],
            config=Config(retries={"max_attempts": 0}, signature_version="v4"),
        )
        client.converse(modelId="a.b-v1:0", messages=[{"role": "user", "content": [{"text": "hä"}]}])
        yield aws, aws.take()[0]


def test_boto3s_signature_is_accepted(received):
    aws, request = received
    signed = aws.verify(request)
    assert (signed.access_key, signed.region, signed.service) == (MAIN_KEY[0], "us-west-2", "bedrock")


@pytest.mark.parametrize("change", ["body", "target", "header", "secret"])
def test_a_changed_request_is_refused(received, change):
    aws, request = received
    if change == "body":
        request.body += b" "
    elif change == "target":
        request.target += "x"
    elif change == "header":
        request.headers = [(name, value + "0" if name.lower() == "x-amz-date" else value) for name, value in request.headers]
    else:
        aws.secrets[MAIN_KEY[0]] = ("another", None)
    with pytest.raises(signature.SignatureProblem):
        aws.verify(request)


def leaves(value, path=()):
    """Paths of all scalars."""
    if isinstance(value, dict):
        for name, child in value.items():
            yield from leaves(child, (*path, name))
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from leaves(child, (*path, index))
    else:
        yield path


def test_every_body_equals_itself_and_no_other():
    free = {"name", "toolUseId", "id", "tool_use_id", "stream"}
    for exchange in EXCHANGES:
        for call in exchange.aws or []:
            body, texts = call["body"], [json.dumps(exchange.client["body"], ensure_ascii=False)]
            assert compare.bodies(body, copy.deepcopy(body), texts) in ([], document_names_only(body)), exchange.id
            for path in leaves(body):
                if path[-1] in free or path[-1] == "text":
                    continue
                other = copy.deepcopy(body)
                parent = other
                for step in path[:-1]:
                    parent = parent[step]
                parent[path[-1]] = "something else"
                assert compare.bodies(body, other, texts), f"{exchange.id}: {path} may change unseen"


def document_names_only(body):
    """Placeholders such as `<doc0>` are no valid names."""
    return compare._document_names(body)


def test_a_missing_block_is_seen():
    for exchange in EXCHANGES:
        for call in exchange.aws or []:
            other = copy.deepcopy(call["body"])
            content = (other.get("messages") or [{}])[-1].get("content")
            if not isinstance(content, list):
                continue
            content.pop()
            assert compare.bodies(call["body"], other, []), exchange.id


def test_tool_ids_must_pair_up():
    def body(*ids):
        return {"messages": [{"content": [{"toolUse": {"toolUseId": ids[0]}}, {"toolUse": {"toolUseId": ids[1]}}]},
                             {"content": [{"toolResult": {"toolUseId": ids[2]}}, {"toolResult": {"toolUseId": ids[3]}}]}]}  # fmt: skip

    assert not compare.bodies(body("a", "b", "a", "b"), body("1", "2", "1", "2"), [])
    assert compare.bodies(body("a", "b", "a", "b"), body("1", "2", "2", "1"), [])


def test_numbers_are_compared_by_value_and_booleans_are_no_numbers():
    assert not compare.bodies({"inferenceConfig": {"maxTokens": 1}}, {"inferenceConfig": {"maxTokens": 1.0}}, [])
    assert compare.bodies({"additionalModelRequestFields": {"x": 1}}, {"additionalModelRequestFields": {"x": True}}, [])


def test_a_text_of_the_client_may_not_change_but_a_placeholder_may():
    want = {"messages": [{"role": "user", "content": [{"text": "Please continue."}]}]}
    got = {"messages": [{"role": "user", "content": [{"text": "go on"}]}]}
    assert not compare.bodies(want, got, ["hi"])
    assert compare.bodies(want, got, ["Please continue."])
    assert compare.bodies(want, {"messages": [{"role": "user", "content": [{"text": " "}]}]}, ["hi"])


def stream(*events) -> bytes:
    lines = [event if event == "[DONE]" else json.dumps(event) for event in events]
    return "".join(f"data: {line}\n\n" for line in lines).encode()


def chunk(delta, finish=None, **members):
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "delta": delta} | ({"finish_reason": finish} if finish else {})],
    } | members


ROLE, TEXT, FINISH = chunk({"role": "assistant", "content": "a"}), chunk({"content": "b"}), chunk({}, "stop")
USAGE = chunk({}, usage={"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2})


@pytest.mark.parametrize(
    "events",
    [
        (ROLE, TEXT, FINISH),
        (ROLE, TEXT, FINISH, "[DONE]", TEXT),
        (ROLE, FINISH, "[DONE]"),
        (ROLE, TEXT, "[DONE]"),
        (TEXT, ROLE, FINISH, "[DONE]"),
        (ROLE, FINISH, TEXT, "[DONE]"),
        (ROLE, TEXT, FINISH, FINISH, "[DONE]"),
        (ROLE, TEXT, FINISH, USAGE, "[DONE]"),
        (ROLE, TEXT, FINISH, {"error": {"message": "x", "type": "t", "code": "500"}}),
        (ROLE, TEXT | {"id": "other"}, FINISH, "[DONE]"),
        (ROLE, TEXT, chunk({}, "length"), "[DONE]"),
        (ROLE | {"model": "n"}, TEXT, FINISH, "[DONE]"),
    ],
)
def test_a_wrong_stream_is_seen(events):
    exchange = copy.deepcopy(EXCHANGES[0])
    exchange.streamed, exchange.client = True, {"body": {"model": "m", "stream": True}}
    want = {"status": 200, "message": {"role": "assistant", "content": "ab"}, "finish_reason": "stop", "done": True}
    headers = {"content-type": "text/event-stream; charset=utf-8"}
    assert not compare.answer(want, 200, headers, stream(ROLE, TEXT, FINISH, "[DONE]"), exchange)
    assert compare.answer(want, 200, headers, stream(*events), exchange)


# The other endpoints.


def test_what_is_counted_is_compared_but_its_limit_is_not():
    def body(**members):
        counted = {"anthropic_version": "v", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 1, **members}
        return {"input": {"invokeModel": {"body": base64.b64encode(json.dumps(counted).encode()).decode()}}}

    assert not compare.bodies(body(), body(max_tokens=2), [])
    assert not compare.bodies(body(system="s"), body(system=[{"type": "text", "text": "s"}]), ["s"])
    assert compare.bodies(body(), body(system="s"), [])
    assert compare.bodies(body(), body(messages=[{"role": "user", "content": "ho"}]), ["hi"])


def events(*values) -> bytes:
    return "".join(f"event: {value['type']}\ndata: {json.dumps(value)}\n\n" for value in values).encode()


START = {
    "type": "message_start",
    "message": {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [], "stop_reason": None,
        "stop_sequence": None, "usage": {"input_tokens": 1, "output_tokens": 1},
    },
}  # fmt: skip
OPEN = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
DELTA = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "ab"}}
CLOSE = {"type": "content_block_stop", "index": 0}
END = {
    "type": "message_delta",
    "delta": {"stop_reason": "end_turn", "stop_sequence": None},
    "usage": {"output_tokens": 2},
}
STOP = {"type": "message_stop"}
ERROR = {"type": "error", "error": {"type": "api_error", "message": "x"}}


@pytest.mark.parametrize(
    "sent",
    [
        (START, OPEN, DELTA, CLOSE, END),
        (OPEN, DELTA, CLOSE, END, STOP),
        (START, DELTA, CLOSE, END, STOP),
        (START, OPEN, DELTA, END, STOP),
        (START, OPEN, DELTA, CLOSE, STOP),
        (START, OPEN, DELTA, CLOSE, END, STOP, DELTA),
        (START, OPEN, CLOSE, END, STOP),
        (START, OPEN | {"index": 1}, DELTA, CLOSE, END, STOP),
        (START, OPEN, DELTA, CLOSE, END | {"delta": {"stop_reason": "end_turn"}}, STOP),
        (START, OPEN, DELTA, CLOSE, END | {"usage": {"output_tokens": 3}}, STOP),
        (START, OPEN, DELTA, CLOSE, END | {"delta": {"stop_reason": "max_tokens", "stop_sequence": None}}, STOP),
        (START | {"message": START["message"] | {"model": "n"}}, OPEN, DELTA, CLOSE, END, STOP),
        (START, OPEN, DELTA, CLOSE, ERROR),
    ],
)
def test_a_wrong_stream_of_messages_is_seen(sent):
    exchange = Exchange("n", "a", {"path": "/v1/messages", "body": {"model": "m"}}, streamed=True)
    want = {
        "status": 200,
        "content": [{"type": "text", "text": "ab"}],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 1, "output_tokens": 2},
    }
    headers = {"content-type": "text/event-stream"}
    assert not messages.answer(want, 200, headers, events(START, OPEN, DELTA, CLOSE, END, STOP), exchange)
    assert messages.answer(want, 200, headers, events(*sent), exchange)


def test_a_stream_that_ends_like_a_success_is_no_failed_one():
    exchange = Exchange("n", "a", {"path": "/v1/messages", "body": {"model": "m"}}, streamed=True)
    want = {"status": 200, "content": [{"type": "text", "text": "a"}], "stop_reason": None, "error_event": True}
    headers = {"content-type": "text/event-stream"}
    assert not messages.answer(want, 200, headers, events(START, OPEN, DELTA, ERROR), exchange)
    assert messages.answer(want, 200, headers, events(START, OPEN, DELTA, CLOSE, END, ERROR), exchange)
    assert messages.answer(want, 200, headers, events(START, OPEN, DELTA, CLOSE, END, STOP), exchange)
    assert messages.answer(want, 200, headers, events(START, ERROR), exchange)


@pytest.mark.parametrize(
    ("path", "want", "right", "wrong"),
    [
        (
            "/v1/embeddings",
            {"embeddings": [[0.5, -1.0]], "base64": True},
            base64.b64encode(struct.pack("<2f", 0.5, -1.0)).decode(),
            base64.b64encode(struct.pack(">2f", 0.5, -1.0)).decode(),
        ),
        ("/v1/embeddings", {"embeddings": [[0.5]], "base64": False}, [0.5000001], "AAAAPw=="),
        ("/v1/embeddings", {"embeddings": [[0.5]], "base64": False}, [0.5], [0.501]),
        ("/v1/embeddings", {"embeddings": [[0.5]], "base64": False}, [0.5], [0.5, 0.5]),
    ],
)
def test_a_wrong_embedding_is_seen(path, want, right, wrong):
    exchange = Exchange("n", "a", {"path": path, "body": {"model": "m"}}, aws=[{"answer": {}}])

    def seen(embedding):
        data = [{"object": "embedding", "index": 0, "embedding": embedding}]
        body = {"object": "list", "model": "m", "data": data, "usage": {"prompt_tokens": 1, "total_tokens": 1}}
        return answers.differences({"status": 200} | want, 200, {}, json.dumps(body).encode(), exchange)

    assert not seen(right)
    assert seen(wrong)


@pytest.mark.parametrize(
    "results",
    [
        [(1, 0.9)],
        [(0, 0.5), (1, 0.9)],
        [(1, 0.9), (1, 0.5)],
        [(1, 0.9), (2, 0.5)],
        [(1, 0.9), (0, 0.6)],
    ],
)
def test_a_wrong_ranking_is_seen(results):
    exchange = Exchange("n", "a", {"path": "/v1/rerank", "body": {"model": "m", "documents": ["a", "b"]}})

    def seen(pairs):
        ranked = [{"index": index, "relevance_score": score} for index, score in pairs]
        want = {"status": 200, "results": [{"index": 1, "relevance_score": 0.9}, {"index": 0, "relevance_score": 0.5}]}
        return answers.differences(want, 200, {}, json.dumps({"id": "i", "results": ranked}).encode(), exchange)

    assert not seen([(1, 0.9), (0, 0.5)])
    assert seen(results)


def piece(text, finish=None, **members):
    """An event of a streamed text completion."""
    choice = {"text": text, "index": 0, "logprobs": None, "finish_reason": finish}
    return {"id": "cmpl-1", "object": "text_completion", "created": 1, "model": "m", "choices": [choice]} | members


A, B, LAST = piece("a"), piece("b"), piece("", "stop")


@pytest.mark.parametrize(
    "events",
    [
        (A, B, LAST),
        (A, LAST, "[DONE]"),
        (A, B, "[DONE]"),
        (A, B, LAST, LAST, "[DONE]"),
        (A, piece("b", id="other"), LAST, "[DONE]"),
        (A, B, LAST, piece("", usage={"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}), "[DONE]"),
        (piece("a", model="n"), B, LAST, "[DONE]"),
        (piece("a", object="chat.completion.chunk"), B, LAST, "[DONE]"),
    ],
)
def test_a_wrong_streamed_text_completion_is_seen(events):
    exchange = copy.deepcopy(EXCHANGES[0])
    exchange.streamed = True
    exchange.client = {"path": "/v1/completions", "body": {"model": "m", "stream": True}}
    headers = {"content-type": "text/event-stream; charset=utf-8"}
    want = {"status": 200, "text": "ab"}
    assert not answers.differences(want, 200, headers, stream(A, B, LAST, "[DONE]"), exchange)
    assert answers.differences(want, 200, headers, stream(*events), exchange)


@pytest.mark.parametrize(
    "wrong",
    [
        {"id": "chatcmpl-1"},
        {"object": "chat.completion"},
        {"model": "n"},
        {"choices": [LAST["choices"][0]]},
        {"usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 3}},
    ],
)
def test_a_wrong_text_completion_is_seen(wrong):
    exchange = copy.deepcopy(EXCHANGES[0])
    exchange.streamed, exchange.client = False, {"path": "/v1/completions", "body": {"model": "m"}}
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    good = piece("a", "stop", usage=usage)
    want = {"status": 200, "json": {name: good[name] for name in ("object", "model", "choices", "usage")}}
    assert not answers.differences(want, 200, {}, json.dumps(good).encode(), exchange)
    assert answers.differences(want, 200, {}, json.dumps(good | wrong).encode(), exchange)
