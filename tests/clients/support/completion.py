"""Compares what the client saw of a text completion with an exchange."""

import json

from openai.types import Completion
from pydantic import ValidationError

from . import compare
from .exchange import Exchange


def answer(want: dict, status: int, headers: dict, body: bytes, exchange: Exchange) -> list[str]:
    """Compares the client's answer, whose status is as it should be."""
    if status >= 400:
        return compare.openai_error(want.get("error") or {}, body)
    return _stream(want, headers, body, exchange) if exchange.streamed else _whole(want, body)


def _whole(want: dict, body: bytes) -> list[str]:
    """Compares a whole answer: choices and model as they are, tokens as far as anybody counts them."""
    try:
        got = json.loads(body)
        Completion.model_validate(got)
    except (ValueError, ValidationError) as error:
        return [f"not a text completion: {error}"]
    want = want["json"]
    differences = [] if str(got["id"]).startswith("cmpl-") else [f"id {got['id']!r}"]
    for name in ("object", "model", "choices"):
        if not compare.same(want[name], got.get(name)):
            differences.append(f"{name}: {got.get(name)!r} instead of {want[name]!r}")
    expected, usage = compare.usage(want["usage"]), compare.usage(got.get("usage") or {})
    if expected != usage:
        differences.append(f"usage: {usage} instead of {expected}")
    return differences


def _stream(want: dict, headers: dict, body: bytes, exchange: Exchange) -> list[str]:
    """Compares a stream."""
    if not headers.get("content-type", "").startswith("text/event-stream"):
        return [f"content-type {headers.get('content-type')!r} of a stream: {body[:300]!r}"]
    events, differences = compare.read_events(body)
    if not events or events.pop() != "[DONE]":
        differences.append("the last event is not [DONE]")
    for event in events:
        try:
            Completion.model_validate(event | {"choices": [_finished(choice) for choice in event["choices"]]})
        except (TypeError, KeyError, ValidationError) as error:
            return [*differences, f"not a completion: {event}: {error}"]
    if {(event["object"], event["model"]) for event in events} != {("text_completion", exchange.client["body"]["model"])}:
        differences.append("object or model is wrong in an event")
    if len({event["id"] for event in events}) != 1:
        differences.append("more than one id")
    text = "".join(choice["text"] for event in events for choice in event["choices"])
    if text != want["text"]:
        differences.append(f"text {text!r} instead of {want['text']!r}")
    reasons = [choice["finish_reason"] for event in events for choice in event["choices"] if choice["finish_reason"]]
    if len(reasons) != 1:
        differences.append(f"finish reasons: {reasons}")
    asked = (exchange.client["body"].get("stream_options") or {}).get("include_usage")
    with_usage = [event for event in events if event.get("usage")]
    if len(with_usage) != int(bool(asked)):
        differences.append(f"usage stands in {len(with_usage)} events; asked for: {asked}")
    return differences


def _finished(choice: dict) -> dict:
    """The SDK's type has no room for a choice that goes on."""
    return choice | {"finish_reason": choice["finish_reason"] or "stop"}
