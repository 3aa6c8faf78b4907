"""A server between a client and the gateway that passes everything on and keeps the requests."""

import http.client
import json
import re
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_PER_CONNECTION = ("host", "connection", "content-length", "transfer-encoding", "accept-encoding")
_KEPT_HEADERS = ("anthropic-beta", "anthropic-version", "content-type", "user-agent", "x-app")
# Longer texts are cut: what an agent tells its model is its maker's, and its wording is no matter of a gateway's.
_LONGEST_TEXT = 160
# What a signature, a signed thought or a picture loses is not cut but broken.
_WHOLE = ("signature", "thinking", "data", "encrypted_content")


@dataclass
class Recorded:
    """One request, and the status of its answer."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    status: int


class Recorder:
    """A context manager; `url` is what the client is told, `requests` what it sent."""

    def __init__(self, port: int):
        self.requests: list[Recorded] = []
        recorder = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self):
                recorder._pass_on(self, port)

            do_GET = do_HEAD = do_POST = handle_any

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def __enter__(self) -> "Recorder":
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()

    def _pass_on(self, handler: BaseHTTPRequestHandler, port: int):
        body = handler.rfile.read(int(handler.headers.get("content-length") or 0))
        headers = {name: value for name, value in handler.headers.items() if name.lower() not in _PER_CONNECTION}
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        try:
            connection.request(handler.command, handler.path, body, headers)
            answer = connection.getresponse()
            given = {name.lower(): value for name, value in handler.headers.items()}
            self.requests.append(Recorded(handler.command, handler.path, given, body, answer.status))
            handler.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in _PER_CONNECTION:
                    handler.send_header(name, value)
            handler.send_header("connection", "close")
            handler.end_headers()
            while piece := answer.read1():
                handler.wfile.write(piece)
            handler.close_connection = True
        finally:
            connection.close()


def cleaned(recorded: Recorded, places: dict[str, str]) -> dict:
    """A request as it may be kept: no key, nothing of the machine (`places`: path → what stands for it), texts cut."""
    text = recorded.body.decode()
    for path, name in places.items():
        text = text.replace(path, name)
    text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "00000000-0000-4000-8000-000000000000", text)
    text = re.sub(r"\b[0-9a-f]{64}\b", "0" * 64, text)
    text = re.sub(r"OS Version: [^\\\n]*", "OS Version: Linux 6.1.0", text)
    headers = {name: recorded.headers[name] for name in _KEPT_HEADERS if name in recorded.headers}
    return {"method": recorded.method, "path": recorded.path, "headers": headers, "body": _cut(json.loads(text))}


def _cut(value):
    if isinstance(value, dict):
        return {name: member if name in _WHOLE else _cut(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_cut(member) for member in value]
    if isinstance(value, str) and len(value) > _LONGEST_TEXT:
        return f"{value[:_LONGEST_TEXT].rstrip()} …"
    return value
