"""An AWS that answers from a script, byte for byte.

It speaks raw HTTP/1.1 over threads, because a test decides which bytes leave and when the connection is cut. Every
request is kept exactly as it came; requests to STS are answered by itself with keys that it then knows.
"""

import base64
import json
import socket
import socketserver
import threading
import urllib.parse
from dataclasses import dataclass, field
from typing import Callable

from . import signature

MAIN_KEY = ("AKIASIMMAIN0000000001", "sim/Main+Secret/0000000000000000000001")
ALTERNATIVE_KEY = ("AKIASIMALT00000000002", "sim/Alt+Secret/00000000000000000000002")
BEARER_KEYS = ("ABSKsim-bedrock-api-key-0001", "ABSKsim-bedrock-api-key-0002")


@dataclass
class Received:
    """One request as it came over the wire."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes
    host: str

    @property
    def path(self) -> str:
        """The path, percent-decoded."""
        return urllib.parse.unquote(self.target.split("?")[0])

    def header(self, name: str) -> str | None:
        """The value of a header, or None."""
        values = [value for key, value in self.headers if key.lower() == name]
        return ",".join(values) if values else None

    def json(self):
        """The body as JSON."""
        return json.loads(self.body)


@dataclass
class Reply:
    """What AWS answers."""

    status: int = 200
    content_type: str = "application/json"
    headers: dict = field(default_factory=dict)
    body: bytes = b""
    # Whether the connection is dropped after these bytes, without the end that HTTP asks for.
    cut: bool = False

    @classmethod
    def of_json(cls, value, status: int = 200, headers: dict | None = None) -> "Reply":
        """A JSON body."""
        return cls(status, headers=headers or {}, body=json.dumps(value).encode())

    @classmethod
    def of_error(cls, name: str, status: int, message: str) -> "Reply":
        """One of Bedrock's exceptions."""
        return cls.of_json({"message": message}, status, {"x-amzn-errortype": name})


# A picture and a document that a request may name by their addresses.
PIXEL_PATH = "/__sim/assets/pixel.png"
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
_DOCUMENT = b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"
_ASSETS = {PIXEL_PATH: ("image/png", PIXEL), "/__sim/assets/doc.pdf": ("application/pdf", _DOCUMENT)}

HELLO = {
    "metrics": {"latencyMs": 1},
    "output": {"message": {"role": "assistant", "content": [{"text": "hello"}]}},
    "stopReason": "end_turn",
    "usage": {"inputTokens": 3, "outputTokens": 1, "totalTokens": 4},
}


class FakeAws:
    """A server on a free port of the loopback interface. `answer` is called for every request that is not for STS."""

    def __init__(self, answer: Callable[[Received], Reply] | None = None):
        self.answer = answer or (lambda _: Reply.of_json(HELLO))
        self.received: list[Received] = []
        self.secrets = {
            MAIN_KEY[0]: (MAIN_KEY[1], None),
            ALTERNATIVE_KEY[0]: (ALTERNATIVE_KEY[1], None),
        }
        self.issued: set[str] = set()
        self.refused_roles: set[str] = set()
        self._lock = threading.Lock()
        fake = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self):
                fake._serve(self.request)

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            allow_reuse_address = True
            request_queue_size = 256

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def __enter__(self) -> "FakeAws":
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()

    def take(self) -> list[Received]:
        """Returns what was received since the last call."""
        with self._lock:
            received, self.received = self.received, []
        return received

    def verify(self, request: Received) -> signature.Signed:
        """Checks the request's signature with the keys that this AWS knows."""
        url = f"http://{request.host}{request.target}"
        return signature.verify(request.method, url, request.headers, request.body, self.secrets)

    def environment(self) -> dict[str, str]:
        """The variables that send every AWS call of a process here."""
        names = [
            "AWS_BEDROCK_RUNTIME_ENDPOINT",
            "AWS_BEDROCK_AGENT_RUNTIME_ENDPOINT",
            "AWS_STS_ENDPOINT",
            "AWS_ENDPOINT_URL_BEDROCK_RUNTIME",
            "AWS_ENDPOINT_URL_BEDROCK_AGENT_RUNTIME",
            "AWS_ENDPOINT_URL_BEDROCK",
            "AWS_ENDPOINT_URL_STS",
        ]
        return {name: self.url for name in names} | {
            "AWS_REGION": "us-west-2",
            "AWS_ACCESS_KEY_ID": MAIN_KEY[0],
            "AWS_SECRET_ACCESS_KEY": MAIN_KEY[1],
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def _serve(self, connection: socket.socket):
        reader = connection.makefile("rb")
        try:
            while (request := _read_request(reader)) is not None:
                reply = self._reply_to(request)
                head = f"HTTP/1.1 {reply.status} Scripted\r\ncontent-type: {reply.content_type}\r\n"
                head += "".join(f"{name}: {value}\r\n" for name, value in reply.headers.items())
                # A cut answer promises more than it sends.
                length = len(reply.body) + (1 if reply.cut else 0)
                connection.sendall(f"{head}content-length: {length}\r\n\r\n".encode() + reply.body)
                if reply.cut:
                    return
        except (ConnectionError, ValueError):
            pass
        finally:
            reader.close()

    def _reply_to(self, request: Received) -> Reply:
        if request.method == "GET" and request.target in _ASSETS:
            content_type, body = _ASSETS[request.target]
            return Reply(content_type=content_type, body=body)
        if request.method == "GET" and "application-inference-profile" in request.path:
            # What the gateway looks up of a profile is no call of a client's; nobody may ask here.
            return Reply.of_error("AccessDeniedException", 403, "not authorized to perform: bedrock:GetInferenceProfile")
        if request.target.split("?")[0] == "/" and request.method in ("POST", "GET"):
            return self._sts(request)
        with self._lock:
            self.received.append(request)
        return self.answer(request)

    def _sts(self, request: Received) -> Reply:
        query = request.target.partition("?")[2]
        form = dict(urllib.parse.parse_qsl(request.body.decode() or query))
        action = form.get("Action", "")
        role = form.get("RoleArn", "")
        if role in self.refused_roles:
            return _sts_error(403, "AccessDenied", f"not authorized to perform: sts:AssumeRole on resource: {role}")
        if action == "AssumeRole":
            try:
                self.verify(request)
            except signature.SignatureProblem as problem:
                return _sts_error(403, "SignatureDoesNotMatch", str(problem))
        elif action != "AssumeRoleWithWebIdentity":
            return _sts_error(403, "AccessDenied", f"the fake has no {action}")
        with self._lock:
            number = len(self.issued) + 1
            key, secret, token = f"ASIAISSUED{number:010d}", f"issued/secret/{number}", f"issued-token-{number}"
            self.issued.add(key)
            self.secrets[key] = (secret, token)
        result = (
            f"<{action}Response xmlns='https://sts.amazonaws.com/doc/2011-06-15/'><{action}Result>"
            f"<Credentials><AccessKeyId>{key}</AccessKeyId><SecretAccessKey>{secret}</SecretAccessKey>"
            f"<SessionToken>{token}</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials>"
            f"<AssumedRoleUser><AssumedRoleId>AROA:s</AssumedRoleId><Arn>{role}/s</Arn></AssumedRoleUser>"
            f"</{action}Result><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></{action}Response>"
        )
        return Reply(200, "text/xml", {}, result.encode())


def _sts_error(status: int, code: str, message: str) -> Reply:
    body = (
        f"<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>"
        f"<RequestId>1</RequestId></ErrorResponse>"
    )
    return Reply(status, "text/xml", {}, body.encode())


def _read_request(reader) -> Received | None:
    line = reader.readline()
    if not line:
        return None
    method, target, _ = line.decode("latin-1").split(" ", 2)
    headers = []
    while (line := reader.readline().decode("latin-1").rstrip("\r\n")):
        name, _, value = line.partition(":")
        headers.append((name, value.strip()))
    values = {name.lower(): value for name, value in headers}
    if values.get("transfer-encoding", "").lower() == "chunked":
        body = b"".join(_chunks(reader))
    else:
        body = reader.read(int(values.get("content-length", 0)))
    return Received(method, target, headers, body, values.get("host", ""))


def _chunks(reader):
    while (size := int(reader.readline().split(b";")[0], 16)):
        yield reader.read(size)
        reader.readline()
    reader.readline()
