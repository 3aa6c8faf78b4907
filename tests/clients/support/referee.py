"""botocore as a referee: its service model says what a Bedrock body may be, its signer what a signature must be.

Nobody here wrote either, so a mistake of ours cannot be on both sides.
"""

import base64
import binascii
import json
import urllib.parse
from contextlib import contextmanager
from datetime import datetime, timezone
from unittest import mock

import boto3
import botocore.auth
import botocore.session
from botocore.config import Config
from botocore.model import ListShape, MapShape, StructureShape
from botocore.validate import ParamValidator

from .fake_aws import Received

_SESSION = botocore.session.get_session()
_MODEL = _SESSION.get_service_model("bedrock-runtime")
_AGENT_MODEL = _SESSION.get_service_model("bedrock-agent-runtime")
OPERATIONS = {"converse": "Converse", "converse-stream": "ConverseStream", "count-tokens": "CountTokens"}
# Their bodies are the model's own JSON, of which the service model knows nothing.
OPAQUE = ("invoke", "invoke-with-response-stream")


def problems_of(call: Received) -> list[str]:
    """Validates a request as it came over the wire."""
    name = call.path.rsplit("/", 1)[-1]
    operation = OPERATIONS.get(name)
    problems = []
    if (call.header("content-type") or "").split(";")[0] != "application/json":
        problems.append(f"content-type is {call.header('content-type')}")
    if call.path == "/rerank":
        shape = _AGENT_MODEL.operation_model("Rerank").input_shape
        return problems + _problems_of_shape(shape, json.loads(call.body), {})
    if operation is None and name not in OPAQUE:
        return [f"no operation has the path {call.path}"]
    model_id = urllib.parse.unquote(call.target.split("/")[2])
    if operation is None:
        return problems + ([] if isinstance(json.loads(call.body), dict) else ["the body is not an object"])
    return problems + problems_of_body(operation, json.loads(call.body), model_id)


def problems_of_body(operation: str, body: dict, model_id: str = "a.model-v1:0") -> list[str]:
    """Validates a JSON body against the service model, members unknown to it included."""
    return _problems_of_shape(_MODEL.operation_model(operation).input_shape, body, {"modelId": model_id})


def _problems_of_shape(shape, body: dict, in_path: dict) -> list[str]:
    found: list[str] = []
    params = _typed(shape, body, "body", found)
    if not isinstance(params, dict):
        return found or ["the body is not an object"]
    report = ParamValidator().validate({**in_path, **params}, shape)
    return found + ([report.generate_report()] if report.has_errors() else [])


def _typed(shape, value, at: str, found: list[str]):
    """Turns JSON into what botocore takes (bytes for blobs), noting what the model does not know."""
    if shape.type_name == "blob" and isinstance(value, str):
        try:
            return base64.b64decode(value, validate=True)
        except binascii.Error:
            found.append(f"{at}: not base64")
            return b""
    if isinstance(shape, StructureShape) and isinstance(value, dict) and not shape.is_document_type:
        if getattr(shape, "is_tagged_union", False) and len(value) != 1:
            found.append(f"{at}: a union with the members {sorted(value)}")
        result = {}
        for name, member in value.items():
            if name not in shape.members:
                found.append(f"{at}.{name}: unknown to the service model")
                continue
            result[name] = _typed(shape.members[name], member, f"{at}.{name}", found)
        return result
    if isinstance(shape, ListShape) and isinstance(value, list):
        return [_typed(shape.member, item, f"{at}[{index}]", found) for index, item in enumerate(value)]
    if isinstance(shape, MapShape) and isinstance(value, dict):
        return {name: _typed(shape.value, item, f"{at}.{name}", found) for name, item in value.items()}
    if shape.type_name == "string":
        allowed = getattr(shape, "enum", None)
        if allowed and value not in allowed:
            found.append(f"{at}: {value!r} is none of {allowed}")
    return value


def sent_by_boto3(call: Received, model_id: str, region: str, key: tuple, token: str | None = None) -> dict:
    """Has boto3 send the same body for the same model at the same second, and returns what it would send."""
    client = boto3.client(
        "bedrock-runtime",
        region_name=region,
        endpoint_url=f"http://{call.host}",
        aws_access_key_id=key[0],
        aws_secret_access_key=key[1],
        aws_session_token=token,
        config=Config(retries={"max_attempts": 0}, signature_version="v4", proxies={}),
    )
    name = call.path.rsplit("/", 1)[-1]
    sent = {}

    def before_sign(request, **_):
        request.data = call.body

    def before_send(request, **_):
        sent["url"] = request.url
        sent["headers"] = {name.lower(): _text(value) for name, value in request.headers.items()}
        return _Answered()

    client.meta.events.register("before-sign.bedrock-runtime", before_sign)
    client.meta.events.register("before-send.bedrock-runtime", before_send)
    with _clock_at(call.header("x-amz-date")):
        getattr(client, name.replace("-", "_"))(
            modelId=model_id, messages=[{"role": "user", "content": [{"text": "replaced"}]}]
        )
    return sent


def _text(value) -> str:
    return value.decode() if isinstance(value, bytes) else value


class _Answered:
    """An empty answer: only what was sent counts."""

    status_code = 200
    headers = {"content-type": "application/json"}
    content = b"{}"
    raw = None


@contextmanager
def _clock_at(date: str):
    moment = datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=timezone.utc)
    with mock.patch.object(botocore.auth, "get_current_datetime", lambda *_, **__: moment.replace(tzinfo=None)):
        yield
