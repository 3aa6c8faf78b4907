"""Compares what a client of Anthropic's Messages saw with an exchange."""

import json
from typing import Any

from anthropic.types import Message, RawMessageStreamEvent
from pydantic import TypeAdapter, ValidationError

from . import compare
from .exchange import Exchange

_EVENT = TypeAdapter(RawMessageStreamEvent)
_COUNTS = ("input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
# https://docs.anthropic.com/en/api/errors
_ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    408: "timeout_error",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}
# Where a delta's text comes from, and which member of the block it continues.
_DELTAS = {
    "text_delta": ("text", "text"),
    "thinking_delta": ("thinking", "thinking"),
    "signature_delta": ("signature", "signature"),
    "input_json_delta": ("partial_json", "json"),
}


def answer(want: dict, status: int, headers: dict, body: bytes, exchange: Exchange) -> list[str]:
    """Compares the client's answer, whose status is as it should be."""
    if status >= 400:
        return _error(want.get("error") or {}, status, body)
    if exchange.endpoint == "/messages/count_tokens":
        given = json.loads(body)
        count = want["input_tokens"] if "input_tokens" in want else want["json"]["input_tokens"]
        return [] if given.get("input_tokens") == count else [f"input_tokens: {given} instead of {count}"]
    if exchange.streamed:
        return _stream(want, headers, body, exchange)
    try:
        message = json.loads(body)
        Message.model_validate(message)
    except (ValueError, ValidationError) as problem:
        return [f"not a message: {problem}"]
    return _facts(want, message, exchange)


def _error(want: dict, status: int, body: bytes) -> list[str]:
    try:
        given = json.loads(body)
        kind, error = given["type"], given["error"]
        message, error_type = error["message"], error["type"]
    except (ValueError, KeyError, TypeError):
        return [f"not an error in Anthropic's shape: {body[:400]!r}"]
    found = [] if kind == "error" else [f"type {kind!r} of an error"]
    if error_type != _ERROR_TYPES.get(status, "api_error"):
        found.append(f"error.type {error_type!r} with status {status}")
    if want.get("message_contains", "") not in message:
        found.append(f"error.message {message!r} does not contain {want['message_contains']!r}")
    return found


def _stream(want: dict, headers: dict, body: bytes, exchange: Exchange) -> list[str]:
    if not headers.get("content-type", "").startswith("text/event-stream"):
        return [f"content-type {headers.get('content-type')!r} of a stream: {body[:300]!r}"]
    message, found = reassemble(body.decode())
    failed = message.pop("error", None)
    if bool(failed) != bool(want.get("error_event")):
        found.append(f"error events: {failed}")
    if not failed:
        return found + _facts(want, message, exchange)
    if message["stop_reason"] is not None:
        found.append(f"a failed stream has stop_reason {message['stop_reason']!r}")
    # At least what was shown; more is as good.
    for shown, given in zip(want.get("content") or [], message["content"]):
        if not (given.get("text") or "").startswith(shown.get("text") or ""):
            found.append(f"content {given} does not start with {shown}")
    if len(want.get("content") or []) > len(message["content"]):
        found.append(f"content {message['content']} instead of {want['content']}")
    return found


def reassemble(stream: str) -> tuple[dict, list[str]]:
    """Puts the events of a stream together, and checks that they are well formed: every event named by its type, the
    message first, blocks one after the other and counted, and one end."""
    message: dict = {"content": [], "stop_reason": None, "usage": {}}
    found: list[str] = []
    is_open, last = False, ""
    for frame in stream.replace("\r\n", "\n").split("\n\n"):
        lines = [line for line in frame.split("\n") if line and not line.startswith(":")]
        if not lines:
            continue
        fields = dict(line.split(": ", 1) for line in lines)
        event = json.loads(fields["data"])
        kind = event["type"]
        if fields.get("event") != kind:
            found.append(f"event {fields.get('event')!r} has type {kind!r}")
        if last in ("message_stop", "error"):
            found.append(f"{kind} after {last}")
        if kind == "ping":
            continue
        if kind == "error":
            message["error"] = event["error"]
        else:
            found += _valid(event)
            is_open = _add(event, message, is_open, last, found)
        last = kind
    if last not in ("message_stop", "error"):
        found.append(f"the last event is {last!r}")
    return message, found


def _valid(event: dict) -> list[str]:
    try:
        _EVENT.validate_python(event)
    except ValidationError as problem:
        return [f"not an event: {event}: {problem}"]
    return []


def _add(event: dict, message: dict, is_open: bool, last: str, found: list[str]) -> bool:
    """Adds an event to the message; says whether a block is open after it."""
    content = message["content"]
    match event["type"]:
        case "message_start":
            if last or event["message"]["content"]:
                found.append("a message does not begin with an empty message_start")
            message |= {name: value for name, value in event["message"].items() if name not in ("content", "usage")}
            message["usage"] |= event["message"]["usage"]
        case "content_block_start":
            if is_open or event["index"] != len(content):
                found.append(f"block {event['index']} starts as number {len(content)}; one is open: {is_open}")
            content.append(dict(event["content_block"]))
            return True
        case "content_block_delta":
            if not is_open or event["index"] != len(content) - 1:
                found.append(f"a delta of block {event['index']}, which is not open")
            else:
                _add_delta(content[-1], event["delta"], found)
        case "content_block_stop":
            if not is_open or event["index"] != len(content) - 1:
                found.append(f"block {event['index']} stops, which is not open")
            elif text := content[-1].pop("json", None):
                content[-1]["input"] = json.loads(text)
            return False
        case "message_delta":
            if "stop_sequence" not in event["delta"]:
                found.append("message_delta has no stop_sequence")
            message["stop_reason"] = event["delta"]["stop_reason"]
            message["usage"] |= {name: value for name, value in event["usage"].items() if value is not None}
        case "message_stop":
            if last != "message_delta" or is_open:
                found.append(f"message_stop after {last}")
    return is_open


def _add_delta(block: dict, delta: dict, found: list[str]):
    if delta["type"] == "citations_delta":
        block["citations"] = [*(block.get("citations") or []), delta["citation"]]
    elif delta["type"] in _DELTAS:
        source, target = _DELTAS[delta["type"]]
        block[target] = (block.get(target) or "") + delta[source]
    else:
        found.append(f"unknown delta {delta['type']!r}")


def _facts(want: dict, message: dict, exchange: Exchange) -> list[str]:
    found = []
    asked = exchange.client["body"]["model"]
    if message.get("model") != asked:
        found.append(f"model {message.get('model')!r} instead of {asked!r}")
    if message.get("type") != "message" or message.get("role") != "assistant" or not message.get("id"):
        found.append(f"type, role or id of the message: {message}")
    if "content" in want and not compare.same(want["content"], _content(message["content"])):
        found.append(f"content {message['content']} instead of {want['content']}")
    if "stop_reason" in want and message["stop_reason"] != want["stop_reason"]:
        found.append(f"stop_reason {message['stop_reason']!r} instead of {want['stop_reason']!r}")
    for name in _COUNTS if "usage" in want else ():
        if (message["usage"].get(name) or 0) != (want["usage"].get(name) or 0):
            found.append(f"usage.{name}: {message['usage'].get(name)} instead of {want['usage'].get(name)}")
    return found


def _content(blocks: list[dict]) -> list[Any]:
    """Ids are compared by their presence; null is nothing."""
    kept = [{name: value for name, value in block.items() if value is not None} for block in blocks]
    return [block | ({"id": bool(block["id"])} if "id" in block else {}) for block in kept]
