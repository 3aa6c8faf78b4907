"""Compares what the client saw with an exchange: by endpoint, because each speaks its own format."""

import base64
import binascii
import json
import struct
from typing import Any

from openai.types import CreateEmbeddingResponse, ImagesResponse
from pydantic import ValidationError

from . import compare, completion, messages
from .exchange import Exchange

_TOLERANCE = 1e-6
# Compared by themselves.
_APART = ("model", "usage")


def differences(want: dict, status: int, headers: dict, body: bytes, exchange: Exchange) -> list[str]:
    """Compares the client's answer, whatever the endpoint."""
    if exchange.endpoint == "/chat/completions":
        return compare.answer(want, status, headers, body, exchange)
    statuses = want["status"] if isinstance(want.get("status"), list) else [want.get("status", 200)]
    if status not in statuses:
        return [f"status {status} instead of {statuses}: {body[:600].decode(errors='replace')}"]
    if exchange.endpoint == "/completions":
        return completion.answer(want, status, headers, body, exchange)
    if exchange.endpoint.startswith("/messages"):
        return messages.answer(want, status, headers, body, exchange)
    if status >= 400:
        return compare.openai_error(want.get("error") or {}, body)
    try:
        given = json.loads(body)
    except ValueError as problem:
        return [f"the answer is not JSON: {problem}"]
    return _SHAPES[exchange.endpoint](given, exchange) + _facts(want, given)


def _facts(want: dict, given: dict) -> list[str]:
    found = []
    if "json" in want:
        shown = {name: value for name, value in want["json"].items() if name not in _APART}
        found += lacking(given, shown, "answer")
    if "embeddings" in want:
        try:
            vectors = [_vector(datum["embedding"], bool(want.get("base64"))) for datum in given["data"]]
        except (TypeError, binascii.Error, struct.error) as problem:
            return [*found, f"an embedding is in another form: {problem!r}"]
        found += lacking(vectors, want["embeddings"], "embeddings")
    if "results" in want:
        found += lacking(given.get("results"), want["results"], "results")
    if "images" in want and len(given.get("data") or []) != want["images"]:
        found.append(f"{len(given.get('data') or [])} images instead of {want['images']}")
    return found


def _counted(given: dict, exchange: Exchange) -> list[str]:
    """Tokens that Bedrock counted are told; a recording may hold an estimate instead, which is nobody's rule."""
    headers = [call["answer"].get("headers") or {} for call in exchange.aws or []]
    if not all("x-amzn-bedrock-input-token-count" in answered for answered in headers):
        return []
    count = sum(int(answered["x-amzn-bedrock-input-token-count"]) for answered in headers)
    usage = given.get("usage") or {}
    told = (usage.get("prompt_tokens"), usage.get("total_tokens"))
    return [] if told == (count, count) else [f"usage {usage}, where Bedrock counted {count}"]


def _vector(embedding: Any, is_base64: bool) -> list:
    """Numbers as they stand, or little-endian 32-bit floats in base64."""
    if isinstance(embedding, str) is not is_base64:
        raise TypeError(f"base64: {isinstance(embedding, str)}")
    if not is_base64:
        return embedding
    data = base64.b64decode(embedding, validate=True)
    return list(struct.unpack(f"<{len(data) // 4}f", data))


def lacking(given: Any, shown: Any, at: str) -> list[str]:
    """What `given` has not of `shown`: it may say more, numbers may differ in the last digits, null is nothing."""
    if isinstance(shown, dict) and isinstance(given, dict):
        return [
            difference
            for name, value in shown.items()
            if value is not None
            for difference in lacking(given.get(name), value, f"{at}.{name}")
        ]
    if isinstance(shown, list) and isinstance(given, list):
        if len(shown) != len(given):
            return [f"{at}: {len(given)} elements instead of {len(shown)}"]
        pairs = enumerate(zip(given, shown))
        return [difference for n, (left, right) in pairs for difference in lacking(left, right, f"{at}[{n}]")]
    if _is_number(shown) and _is_number(given):
        if abs(given - shown) <= _TOLERANCE * max(abs(shown), 1.0):
            return []
    elif type(given) is type(shown) and given == shown:
        return []
    return [f"{at}: {str(given)[:200]} instead of {str(shown)[:200]}"]


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


# What each endpoint's clients insist on.


def _embeddings(given: dict, exchange: Exchange) -> list[str]:
    found = _valid(CreateEmbeddingResponse, _with_numbers(given))
    if given.get("model") != exchange.client["body"]["model"]:
        found.append(f"model {given.get('model')!r} instead of {exchange.client['body']['model']!r}")
    found += _counted(given, exchange)
    if [datum.get("index") for datum in given.get("data") or []] != list(range(len(given.get("data") or []))):
        found.append("embeddings are not in the order of the input")
    return found


def _with_numbers(given: dict) -> dict:
    """The SDK's class knows numbers; it decodes base64 before."""
    data = [datum | ({"embedding": []} if isinstance(datum.get("embedding"), str) else {}) for datum in given["data"]]
    return given | {"data": data}


def _images(given: dict, _: Exchange) -> list[str]:
    return _valid(ImagesResponse, given)


def _rerank(given: dict, exchange: Exchange) -> list[str]:
    found = [] if isinstance(given.get("id"), str) and given["id"] else ["a rerank answer has no id"]
    scores = [result["relevance_score"] for result in given.get("results") or []]
    if scores != sorted(scores, reverse=True):
        found.append(f"results are not in the order of their scores: {scores}")
    count = len(exchange.client["body"]["documents"])
    places = [result["index"] for result in given.get("results") or []]
    if len(set(places)) != len(places) or not all(0 <= place < count for place in places):
        found.append(f"indexes {places} of {count} documents")
    return found


def _valid(shape: type, given: dict) -> list[str]:
    try:
        shape.model_validate(given)
    except ValidationError as problem:
        return [f"not a {shape.__name__}: {problem}"]
    return []


_SHAPES = {
    "/embeddings": _embeddings,
    "/images/generations": _images,
    "/images/edits": _images,
    "/rerank": _rerank,
}
