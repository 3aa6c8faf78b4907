"""Compares what AWS received, and what the client of chat completions saw, with an exchange.

Only what cannot matter to either side is let pass: spelling of numbers and escapes, names of documents and ids of tool
calls (as long as they pair up), a placeholder text of ours, chunk boundaries of a stream. Each comparison returns a
list of differences, empty if there is none.
"""

import base64
import json
import re
import urllib.parse
from typing import Any

from openai.types.chat import ChatCompletion, ChatCompletionChunk
from pydantic import ValidationError

from . import signature
from .exchange import Exchange
from .fake_aws import FakeAws, Received

_MISSING = object()
# AWS documents letters, digits, single spaces, hyphens, parentheses and brackets; underscores it takes in practice.
_DOCUMENT_NAME = re.compile(r"^(?!.*\s\s)[a-zA-Z0-9_\s\-()\[\]]{1,200}$")
_OPERATIONS = {
    "converse": "Converse",
    "converse-stream": "ConverseStream",
    "invoke": "InvokeModel",
    "invoke-with-response-stream": "InvokeModelWithResponseStream",
    "count-tokens": "CountTokens",
    "rerank": "Rerank",
}
# Members of InvokeModel bodies that the endpoint decides or that say what is so anyway.
_FREE_IN_INVOKE = ("stream", "stream_options", "schemaVersion")
_PROMPTS = ("prompt", "inputText")
_DEFAULT_LIMIT = 4096


# What AWS received.


def calls(expected: list[dict], received: list[Received], exchange: Exchange, aws: FakeAws) -> list[str]:
    """Compares all requests that reached AWS."""
    if len(received) != len(expected):
        seen = [f"{call.method} {call.path}" for call in received]
        return [f"AWS received {len(received)} requests instead of {len(expected)}: {seen}"]
    if exchange.endpoint == "/embeddings":
        received = _in_order(expected, received)
    differences = []
    for call, want in zip(received, expected):
        differences += _call(want, call, exchange, aws)
    return differences


def _in_order(expected: list[dict], received: list[Received]) -> list[Received]:
    """One request may become several at once: each stands where its body is expected, what fits nowhere last."""
    rest, ordered = list(received), []
    for want in expected:
        found = next((call for call in rest if not bodies(want.get("body"), call.json(), [])), rest[0])
        rest.remove(found)
        ordered.append(found)
    return ordered


def _call(want: dict, call: Received, exchange: Exchange, aws: FakeAws) -> list[str]:
    differences = []
    if call.method != want.get("method", "POST"):
        differences.append(f"method: {call.method}")
    if call.path != urllib.parse.unquote(want["path"]):
        differences.append(f"path: {call.path} instead of {urllib.parse.unquote(want['path'])}")
    operation = _OPERATIONS.get(call.path.rsplit("/", 1)[-1])
    if want.get("operation") and operation != want["operation"]:
        differences.append(f"operation: {operation} instead of {want['operation']}")
    differences += _signed(want.get("signed"), call, aws)
    differences += _headers(want.get("headers") or {}, call)
    try:
        body = json.loads(call.body) if call.body else None
    except ValueError as error:
        return [*differences, f"the body is not JSON: {error}"]
    from_client = _strings(exchange.client.get("body")) + _strings(exchange.entry)
    differences += bodies(want.get("body"), body, from_client, subset=exchange.aws_match == "subset")
    return differences


def _signed(want: dict | None, call: Received, aws: FakeAws) -> list[str]:
    if not want:
        return []
    authorization = call.header("authorization") or ""
    if want["kind"] == "bearer":
        sent = f"bearer:{authorization.removeprefix('Bearer ')}"
        unsigned = not any(name.lower() == "x-amz-date" for name, _ in call.headers)
        good = sent == want["access_key"] and unsigned
        return [] if good else [f"authorization: {authorization!r} instead of {want['access_key']}"]
    try:
        signed = aws.verify(call)
    except signature.SignatureProblem as problem:
        return [f"signature: {problem}"]
    differences = []
    if want["access_key"] in aws.secrets:
        if signed.access_key != want["access_key"]:
            differences.append(f"signed by {signed.access_key} instead of {want['access_key']}")
    elif signed.access_key not in aws.issued:
        differences.append(f"signed by {signed.access_key} instead of an issued key")
    if signed.region != want["region"]:
        differences.append(f"signed for {signed.region} instead of {want['region']}")
    if signed.service != "bedrock":
        differences.append(f"signed for service {signed.service}")
    return differences


def _headers(want: dict, call: Received) -> list[str]:
    want = {name.lower(): value for name, value in want.items() if name.lower() != "anthropic-beta"}
    got = {name.lower(): value for name, value in call.headers}
    differences = [
        f"header {name}: {got.get(name)!r} instead of {value!r}"
        for name, value in want.items()
        if got.get(name) != value
    ]
    extra = [name for name in got if name.startswith("x-amzn-bedrock-") and name not in want]
    return differences + [f"header {name} was sent" for name in extra]


def bodies(want: Any, got: Any, from_client: list[str], subset: bool = False) -> list[str]:
    """Compares two bodies."""
    if want is None:
        return []
    want, got = _canonical(want), _canonical(got)
    _anthropic_limit(want, got, from_client)
    differences = _document_names(got)
    _rename(want)
    _rename(got)
    return differences + _differences(want, got, "body", from_client, subset)


def _canonical(body: Any) -> Any:
    body = json.loads(json.dumps(body))
    if not isinstance(body, dict):
        return body
    if counted := _counted(body):
        return counted
    paths = body.get("additionalModelResponseFieldPaths")
    if isinstance(paths, list):
        body["additionalModelResponseFieldPaths"] = [p for p in paths if p != "/usage/output_tokens_details"]
    if "messages-v1" == body.get("schemaVersion") or "inferenceConfig" not in body:
        body = {name: value for name, value in body.items() if name not in _FREE_IN_INVOKE}
    for name in _PROMPTS:
        if isinstance(body.get(name), str):
            body[name] = body[name].rstrip()
    if "anthropic_version" in body:
        _anthropic(body)
    return {name: value for name, value in body.items() if value not in (None, {}, [])}


def _counted(body: dict) -> dict | None:
    """What a request to CountTokens has counted, without the limit that does not count."""
    match body.get("input"):
        case {"invokeModel": {"body": str(encoded), **others}} if _decoded(encoded) is not None and not others:
            inner = json.loads(_decoded(encoded))
            inner.pop("max_tokens", None)
            return {"counted by": "invokeModel", **_canonical(inner)}
        case {"converse": dict(inner)}:
            return {"counted by": "converse", **_canonical(inner)}
    return None


def _anthropic(body: dict):
    """Brings what Anthropic reads alike into one form: texts as blocks, betas in order, tools without their usual type."""
    for message in body.get("messages") or []:
        _text_to_block(message, "content")
        for block in message["content"] if isinstance(message.get("content"), list) else []:
            _text_to_block(block, "content")
    _text_to_block(body, "system")
    if isinstance(body.get("anthropic_beta"), list):
        body["anthropic_beta"].sort()
    for tool in body.get("tools") or []:
        if tool.get("type") == "custom":
            del tool["type"]


def _text_to_block(holder: dict, name: str):
    if isinstance(holder.get(name), str):
        holder[name] = [{"type": "text", "text": holder[name]}]


def _anthropic_limit(want: Any, got: Any, from_client: list[str]):
    """Where the client gave no limit, more than the usual one is right too."""
    if isinstance(want, dict) and isinstance(got, dict) and "anthropic_version" in want:
        limit = got.get("max_tokens")
        if want.get("max_tokens") == _DEFAULT_LIMIT and isinstance(limit, int) and limit > _DEFAULT_LIMIT:
            got["max_tokens"] = _DEFAULT_LIMIT


def _document_names(body: Any) -> list[str]:
    names = [document.get("name") for document in _members(body, "document") if isinstance(document, dict)]
    differences = [
        f"document name {name!r} is not valid for Bedrock" for name in names if not _DOCUMENT_NAME.match(name or "")
    ]
    for message in body.get("messages") or [] if isinstance(body, dict) else []:
        here = [document.get("name") for document in _members(message, "document") if isinstance(document, dict)]
        if len(set(here)) != len(here):
            differences.append(f"document names repeat: {here}")
    return differences


def _rename(body: Any):
    """Puts names of our own in place of free ones, numbered as they come."""
    for number, document in enumerate(_members(body, "document")):
        if isinstance(document, dict) and "name" in document:
            document["name"] = f"<doc{number}>"
    ids: dict[str, str] = {}
    for kind in ("toolUse", "toolResult"):
        for block in _members(body, kind):
            if isinstance(block, dict) and isinstance(block.get("toolUseId"), str):
                block["toolUseId"] = ids.setdefault(block["toolUseId"], f"<id{len(ids)}>")
    for content in _members(body, "content"):
        for block in content if isinstance(content, list) else []:
            member = {"tool_use": "id", "tool_result": "tool_use_id"}.get(block.get("type")) if isinstance(block, dict) else None
            if member and isinstance(block.get(member), str):
                block[member] = ids.setdefault(block[member], f"<id{len(ids)}>")


def _members(value: Any, name: str):
    """All members called `name`, at any depth outside of schemas and tool input, in order."""
    if isinstance(value, dict):
        for key, member in value.items():
            if key == name:
                yield member
            if key not in ("inputSchema", "input", "additionalModelRequestFields"):
                yield from _members(member, name)
    elif isinstance(value, list):
        for member in value:
            yield from _members(member, name)


def _differences(want: Any, got: Any, at: str, from_client: list[str], subset: bool) -> list[str]:
    if isinstance(want, dict) and isinstance(got, dict):
        found = []
        for name in [*want, *(name for name in got if name not in want)]:
            if name not in want:
                found += [] if subset else [f"{at}.{name}: {_short(got[name])} should not be there"]
            else:
                found += _differences(want[name], got.get(name, _MISSING), f"{at}.{name}", from_client, subset)
        return found
    if isinstance(want, list) and isinstance(got, list):
        if len(want) != len(got):
            return [f"{at}: {len(got)} elements {_short(got)} instead of {len(want)} {_short(want)}"]
        return [
            difference
            for number, (left, right) in enumerate(zip(want, got))
            for difference in _differences(left, right, f"{at}[{number}]", from_client, subset)
        ]
    if at.endswith((".bytes", ".data")) and _decoded(want) is not None and _decoded(want) == _decoded(got):
        return []
    if at.endswith(".text") and isinstance(want, str) and isinstance(got, str) and want != got:
        # A text that the client did not send is a placeholder, and may read differently.
        if not any(want.strip() in text for text in from_client) and got.strip():
            return []
    return [] if same(want, got) else [f"{at}: {_short(got)} instead of {_short(want)}"]


def _decoded(text: Any) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (TypeError, ValueError):
        return None


def _strings(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    return [text for child in children for text in _strings(child)]


def same(left: Any, right: Any) -> bool:
    """Equality of JSON values: 1 is 1.0, but true is not 1."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[name], right[name]) for name in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    return left == right


def _short(value: Any) -> str:
    text = "nothing" if value is _MISSING else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 400 else f"{text[:400]}…"


# What the client saw.


def answer(want: dict, status: int, headers: dict, body: bytes, exchange: Exchange) -> list[str]:
    """Compares the client's answer."""
    statuses = want["status"] if isinstance(want.get("status"), list) else [want.get("status", 200)]
    if status not in statuses:
        return [f"status {status} instead of {statuses}: {body[:600].decode(errors='replace')}"]
    if status >= 400:
        return openai_error(want.get("error") or {}, body)
    if exchange.streamed:
        return _stream(want, headers, body, exchange)
    try:
        whole = json.loads(body)
        ChatCompletion.model_validate(whole)
    except (ValueError, ValidationError) as error:
        return [f"not a chat completion: {error}"]
    choice = whole["choices"][0]
    facts = {
        "model": whole.get("model"),
        "message": choice["message"],
        "finish_reason": choice.get("finish_reason"),
        "usage": whole.get("usage"),
        "trace": whole.get("trace"),
        "service_tier": whole.get("service_tier"),
        "content_blocks": choice["message"].get("content_blocks"),
    }
    indexes = [call["index"] for call in choice["message"].get("tool_calls") or [] if "index" in call]
    differences = []
    if want.get("tool_indexes_ok") and indexes not in ([], list(range(len(indexes)))):
        differences.append(f"tool_calls[].index counts {indexes}")
    return differences + _facts(want, facts, exchange)


def openai_error(want: dict, body: bytes) -> list[str]:
    """Compares an error in OpenAI's shape."""
    try:
        error = json.loads(body)["error"]
        message = error["message"]
    except (ValueError, KeyError, TypeError):
        return [f"not an error body: {body[:400]!r}"]
    if not isinstance(message, str) or not message:
        return [f"error.message is {message!r}"]
    differences = []
    if not isinstance(error.get("type"), str):
        differences.append(f"error.type is {error.get('type')!r}")
    if not isinstance(error.get("code"), str):
        differences.append(f"error.code is {error.get('code')!r}")
    contains = want.get("message_contains")
    if contains and contains not in message:
        differences.append(f"error.message {message!r} does not contain {contains!r}")
    return differences


def _stream(want: dict, headers: dict, body: bytes, exchange: Exchange) -> list[str]:
    if not headers.get("content-type", "").startswith("text/event-stream"):
        return [f"content-type {headers.get('content-type')!r} of a stream: {body[:300]!r}"]
    events, differences = read_events(body)
    done = bool(events) and events[-1] == "[DONE]"
    chunks = [event for event in events if isinstance(event, dict)]
    errors = [chunk for chunk in chunks if "error" in chunk]
    if bool(errors) != bool(want.get("error_event")):
        differences.append(f"error events: {_short(errors)}")
    if "done" in want and done != want["done"]:
        differences.append(f"the last event is {_short(events[-1] if events else None)}")
    if any(event == "[DONE]" for event in events[:-1]):
        differences.append("[DONE] is not last")
    if errors:
        differences += [] if chunks[-1] is errors[0] and not done else ["something follows the error event"]
        differences += openai_error({}, json.dumps(errors[0]).encode())
        chunks = chunks[:-1]
    differences += _chunks(chunks, exchange, finished=not errors)
    facts = reassemble(chunks)
    if errors:
        if facts["finish_reason"] is not None:
            differences.append(f"a failed stream has finish_reason {facts['finish_reason']!r}")
        expected = (want.get("message") or {}).get("content") or ""
        if not (facts["message"].get("content") or "").startswith(expected):
            differences.append(f"content {_short(facts['message'].get('content'))} does not start with {_short(expected)}")
        return differences
    return differences + _facts(want, facts, exchange)


def read_events(body: bytes) -> tuple[list, list[str]]:
    """Splits a server-sent event stream into its data: JSON values, and `[DONE]` as it stands."""
    events, differences = [], []
    for frame in body.decode().replace("\r\n", "\n").split("\n\n"):
        lines = [line for line in frame.split("\n") if line and not line.startswith(":")]
        if not lines:
            continue
        data = "\n".join(line.removeprefix("data:").removeprefix(" ") for line in lines if line.startswith("data:"))
        try:
            events.append(data if data == "[DONE]" else json.loads(data))
        except ValueError:
            differences.append(f"not JSON in an event: {frame[:200]!r}")
    return events, differences


def _chunks(chunks: list[dict], exchange: Exchange, finished: bool) -> list[str]:
    """Checks what holds for every stream."""
    differences = []
    for chunk in chunks:
        try:
            ChatCompletionChunk.model_validate(chunk)
        except ValidationError as error:
            differences.append(f"not a chunk: {_short(chunk)}: {error}")
            return differences
    if len({chunk["id"] for chunk in chunks}) > 1:
        differences.append("more than one id")
    deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
    if not deltas or deltas[0].get("role") != "assistant":
        differences.append("no role in the first delta")
    if not finished:
        return differences
    ends = [number for number, chunk in enumerate(chunks) if _finish(chunk)]
    if len(ends) != 1:
        return [*differences, f"finish_reason stands in {len(ends)} chunks"]
    for chunk in chunks[ends[0] + 1 :]:
        if any(value for choice in chunk["choices"] for name, value in choice["delta"].items() if name != "role"):
            differences.append(f"content after the finish: {_short(chunk)}")
    asked = ((exchange.client["body"].get("stream_options") or {}).get("include_usage")) or False
    lenient = any(
        "strict-open" in name.lower() and str(value).lower() == "false"
        for name, value in (exchange.client.get("headers") or {}).items()
    )
    with_usage = [chunk for chunk in chunks if chunk.get("usage")]
    if len(with_usage) != int(bool(asked or lenient)):
        differences.append(f"usage stands in {len(with_usage)} chunks; asked for: {asked}")
    return differences


def _finish(chunk: dict) -> str | None:
    return next((choice["finish_reason"] for choice in chunk["choices"] if choice.get("finish_reason")), None)


def reassemble(chunks: list[dict]) -> dict:
    """Puts the chunks of a stream together as one message with its facts."""
    message: dict = {"role": None, "content": "", "reasoning_content": "", "annotations": [], "images": []}
    tools: dict[int, dict] = {}
    thinking: list[dict] = []
    blocks: dict[int, dict] = {}
    facts: dict = {"finish_reason": None, "usage": None, "trace": None, "service_tier": None, "model": None}
    for chunk in chunks:
        facts["model"] = facts["model"] or chunk.get("model")
        facts["finish_reason"] = facts["finish_reason"] or _finish(chunk)
        for name in ("usage", "trace", "service_tier"):
            facts[name] = chunk.get(name) or facts[name]
        for delta in (choice["delta"] for choice in chunk["choices"]):
            message["role"] = message["role"] or delta.get("role")
            message["content"] += delta.get("content") or ""
            message["reasoning_content"] += delta.get("reasoning_content") or ""
            message["annotations"] += delta.get("annotations") or []
            message["images"] += delta.get("images") or []
            for piece in delta.get("thinking_blocks") or []:
                _add_thinking(thinking, piece)
            for piece in delta.get("tool_calls") or []:
                call = tools.setdefault(piece["index"], {"id": None, "function": {"name": "", "arguments": ""}})
                call["id"] = call["id"] or piece.get("id")
                function = piece.get("function") or {}
                call["function"]["name"] += function.get("name") or ""
                call["function"]["arguments"] += function.get("arguments") or ""
            for piece in delta.get("content_blocks") or []:
                block = blocks.setdefault(piece["index"], {})
                for name, text in (piece.get("delta") or {}).items():
                    block[name] = block.get(name, "") + text
    facts["message"] = message | {
        "thinking_blocks": thinking,
        "tool_calls": [tools[index] for index in sorted(tools)],
    }
    facts["content_blocks"] = [blocks[index] for index in sorted(blocks)]
    return facts


def _add_thinking(blocks: list[dict], piece: dict):
    last = blocks[-1] if blocks else None
    joins = last and last["type"] == piece.get("type") == "thinking" and "signature" not in last
    if joins:
        last["thinking"] += piece.get("thinking") or ""
        if piece.get("signature"):
            last["signature"] = piece["signature"]
    else:
        blocks.append({name: value for name, value in piece.items() if value is not None})


def _facts(want: dict, facts: dict, exchange: Exchange) -> list[str]:
    differences = []
    asked = exchange.client["body"].get("model")
    if asked and facts["model"] != asked:
        differences.append(f"model {facts['model']!r} instead of {asked!r}")
    if want.get("message") is not None:
        left = _message(want["message"], trim=exchange.sees_match == "trim")
        right = _message(facts["message"], trim=exchange.sees_match == "trim")
        if "annotations" not in want["message"]:
            right.pop("annotations", None)
        differences += _differences(left, right, "message", [], False)
    for name in ("finish_reason", "trace", "service_tier"):
        if name in want and not same(want[name], facts[name]):
            differences.append(f"{name}: {_short(facts[name])} instead of {_short(want[name])}")
    if want.get("usage") is not None:
        left, right = want["usage"], usage(facts["usage"] or {})
        for name, value in left.items():
            if (value or 0) != (right.get(name) or 0):
                differences.append(f"usage.{name}: {right.get(name)} instead of {value}")
    if want.get("annotation_urls") is not None:
        annotations = facts["message"].get("annotations") or []
        urls = [(annotation.get("url_citation") or {}).get("url") for annotation in annotations]
        if urls != want["annotation_urls"]:
            differences.append(f"annotation urls: {urls} instead of {want['annotation_urls']}")
    if want.get("content_blocks") is not None:
        blocks = facts["content_blocks"] or []
        got = [{name: value for name, value in block.items() if name != "type"} for block in blocks]
        left = [{name: value for name, value in block.items() if name != "type"} for block in want["content_blocks"]]
        differences += _differences(left, got, "content_blocks", [], False)
    if want.get("arguments_raw"):
        for call in facts["message"].get("tool_calls") or []:
            try:
                json.loads(call["function"]["arguments"])
            except ValueError:
                differences.append(f"arguments are not JSON: {call['function']['arguments']!r}")
    return differences


def usage(usage: dict) -> dict:
    """The counts of a `usage` that are compared."""
    prompt = usage.get("prompt_tokens_details") or {}
    completion = usage.get("completion_tokens_details") or {}
    return {
        "prompt_tokens": usage.get("prompt_tokens"),
        "completion_tokens": usage.get("completion_tokens"),
        "total_tokens": usage.get("total_tokens"),
        "cached_tokens": prompt.get("cached_tokens"),
        "cache_creation": usage.get("cache_creation_input_tokens"),
        "cache_read": usage.get("cache_read_input_tokens"),
        "reasoning": completion.get("reasoning_tokens"),
    }


def _message(message: dict, trim: bool) -> dict:
    """Keeps what is compared of a message, in one form."""
    result = {}
    for name in ("role", "content", "reasoning_content", "thinking_blocks", "annotations"):
        value = message.get(name)
        if trim and name == "thinking_blocks":
            continue
        if trim and isinstance(value, str):
            value = re.sub(r"</?(budget:)?think(ing)?>", "", value).strip()
        if value not in (None, "", []):
            result[name] = _parsed(value) if name == "content" else value
    calls = []
    for call in message.get("tool_calls") or []:
        function = call.get("function") or call
        calls.append(
            {
                "id": bool(call.get("id")),
                "name": function.get("name"),
                "arguments": _arguments(function.get("arguments")),
            }
        )
    if calls:
        result["tool_calls"] = calls
    return result


def _parsed(content: Any) -> Any:
    """Content that is a JSON object or array is compared as such."""
    if isinstance(content, str) and content.strip()[:1] in ("{", "["):
        try:
            return json.loads(content)
        except ValueError:
            return content
    return content


def _arguments(arguments: Any) -> Any:
    try:
        return json.loads(arguments) if isinstance(arguments, str) else arguments
    except ValueError:
        return arguments
