"""What a server meets on a bad day: huge, broken, wrong and hostile requests. Each gets an answer a client can read."""

import base64
import contextlib
import json
import socket
import ssl

import httpx
import pytest
import trustme

from conftest import configuration
from support.fake_aws import FakeAws, Reply
from support.gateway import MASTER_KEY, Gateway

CHAT = "/v1/chat/completions"
HELLO = [{"role": "user", "content": "hi"}]


@pytest.fixture(autouse=True)
def still_answers(gateway):
    """Whatever a test did, the process must be there and serve the next caller."""
    yield
    assert gateway.alive(), gateway.output[-4000:]
    status, _, body = gateway.post(CHAT, {"model": "claude", "messages": HELLO})
    assert status == 200, body


def error_of(body: bytes) -> dict:
    """The error of an OpenAI body."""
    error = json.loads(body)["error"]
    assert isinstance(error["message"], str) and error["message"]
    assert isinstance(error["type"], str) and error["type"]
    assert isinstance(error["code"], str)
    assert error["param"] is None or isinstance(error["param"], str)
    assert "panicked" not in error["message"] and "src/" not in error["message"]
    return error


def refused(answer, *statuses: int) -> dict:
    status, _, body = answer
    assert status in (statuses or (400,)), (status, body[:500])
    error = error_of(body)
    assert error["code"] == str(status)
    return error


def chat(**members) -> dict:
    return {"model": "claude", "messages": HELLO, **members}


# Size.


def test_a_conversation_of_100_kb(gateway):
    messages = [{"role": ("user", "assistant")[n % 2], "content": f"{n} " + "lorem ipsum " * 85} for n in range(99)]
    status, _, body = gateway.post(CHAT, chat(messages=messages))
    assert status == 200, body[:500]


def test_ten_thousand_messages(gateway):
    messages = [{"role": ("user", "assistant")[n % 2], "content": f"message {n}"} for n in range(9_999)]
    status, _, body = gateway.post(CHAT, chat(messages=messages), timeout=120)
    assert status == 200, body[:500]


def test_a_document_of_10_mb(gateway):
    data = base64.b64encode(bytes(10 * 1024 * 1024)).decode()
    file = {"type": "file", "file": {"file_data": f"data:application/pdf;base64,{data}"}}
    content = [{"type": "text", "text": "What is this?"}, file]
    status, _, body = gateway.post(CHAT, chat(messages=[{"role": "user", "content": content}]), timeout=120)
    # It is within our limit; Bedrock takes 4.5 MB.
    assert status in (200, 400), body[:500]
    if status == 400:
        error_of(body)


@pytest.fixture(scope="module")
def small():
    """A gateway with a small body limit and little patience for headers."""
    general = {"max_request_size_mb": 1, "header_read_timeout_seconds": 1}
    with Gateway(configuration(general_settings=general), simulate=True) as gateway:
        yield gateway


def raw(gateway, data: bytes, timeout: float = 20) -> bytes:
    """Sends bytes as they are, and reads until the other side is done."""
    received = b""
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=timeout) as connection:
        with contextlib.suppress(ConnectionError):
            connection.sendall(data)
        with contextlib.suppress(ConnectionError):
            while part := connection.recv(65536):
                received += part
    return received


def head(extra: str = "") -> str:
    return (
        f"POST {CHAT} HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {MASTER_KEY}\r\n"
        f"Content-Type: application/json\r\nConnection: close\r\n{extra}\r\n"
    )


def test_a_body_over_the_limit_is_refused_before_it_is_read(small):
    answer = raw(small, head("Content-Length: 40000000\r\n").encode())
    assert answer.startswith(b"HTTP/1.1 413 "), answer[:300]
    assert error_of(answer.split(b"\r\n\r\n", 1)[1])["code"] == "413"


def test_a_chunked_body_over_the_limit_is_refused(small):
    part = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    answer = raw(small, head("Transfer-Encoding: chunked\r\n").encode() + part * 40 + b"0\r\n\r\n")
    # The connection may be reset while we still send; an answer that arrives must be 413.
    assert answer == b"" or answer.startswith(b"HTTP/1.1 413 "), answer[:300]


def test_a_body_just_under_the_limit_is_taken(small):
    body = chat(messages=[{"role": "user", "content": "x" * 1_000_000}])
    status, _, answer = small.post(CHAT, body)
    # The simulated model may find it too long; the gateway does not.
    assert status in (200, 400), answer[:300]


def test_headers_that_never_end_are_cut_off(small):
    answer = raw(small, f"POST {CHAT} HTTP/1.1\r\nHost: test\r\nX-Slow: ".encode())
    assert answer == b"" or answer.startswith(b"HTTP/1.1 408 "), answer[:300]


def test_huge_headers_are_refused(gateway):
    answer = raw(gateway, head(f"X-Huge: {'x' * 1_000_000}\r\n").encode())
    assert answer == b"" or answer.startswith((b"HTTP/1.1 431 ", b"HTTP/1.1 400 ")), answer[:300]


# Broken bodies.


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"nonsense",
        b'{"model": "claude", "messages": [{"role": "user", "content": "hi"}',
        b'{"model": "claude", "messages": [{"role": "user", "content": "hi',
        b'{"model": "claude", "messages": [{"role": "user", "content": "\\u12',
        b'{"model": "claude", "messages": [{"role": "user", "content": "\xff\xfe"}]}',
        b'{"model": "claude", "messages": [{"role": "user", "content": "\xed\xa0\x80"}]}',
        b'{"model": "claude\xc3", "messages": []}',
        b'{"model": "claude", "messages": [{"role": "user", "content": "a\nb"}]}',
        b'{"model": "claude", "messages": [{"role": "user", "content": "hi"}]} {}',
        b'{"model": "claude", "messages": [{"role": "user", "content": "hi"}], "temperature": NaN}',
        b'{"model": "claude", "messages": [{"role": "user", "content": "hi"}],}',
        b"null",
        b"[]",
        b"1",
        b'"text"',
        b"\xef\xbb\xbf{",
        b"\x1f\x8b\x08\x00",
    ],
)
def test_a_body_that_is_no_json_object(gateway, body):
    refused(gateway.post(CHAT, body))


def test_a_request_without_a_body(gateway):
    answer = raw(gateway, head().encode())
    assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 411 ")), answer[:300]
    error_of(answer.split(b"\r\n\r\n", 1)[1])


def test_a_client_that_leaves_in_the_middle_of_its_body(gateway):
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as connection:
        connection.sendall(head("Content-Length: 1000\r\n").encode() + b'{"model":')


DEPTH = 100_000


@pytest.mark.parametrize(
    "body",
    [
        "[" * DEPTH,
        "[" * DEPTH + "]" * DEPTH,
        '{"a":' * DEPTH + "1" + "}" * DEPTH,
        '{"model": "claude", "messages": ' + "[" * DEPTH + "]" * DEPTH + "}",
        '{"model": "claude", "messages": [{"role": "user", "content": ' + "[" * DEPTH + "]" * DEPTH + "}]}",
        '{"model": "claude", "messages": [{"role": "user", "content": "hi"}], "x": ' + "[" * DEPTH + "]" * DEPTH + "}",
        '{"model": "claude", "messages": [{"role": "user", "content": "hi"}], "tools": [{"type": "function", '
        '"function": {"name": "f", "parameters": ' + '{"properties":{"a":' * DEPTH + "1" + "}}" * DEPTH + "}}]}",
    ],
    ids=["open", "arrays", "objects", "messages", "content", "unknown", "schema"],
)
def test_a_depth_bomb(gateway, body):
    refused(gateway.post(CHAT, body.encode()))


def test_half_a_surrogate_pair_is_no_crash(gateway):
    status, _, body = gateway.post(CHAT, b'{"model":"claude","messages":[{"role":"user","content":"a \\ud83d b"}]}')
    assert status in (200, 400), body
    if status == 400:
        error_of(body)


def test_a_nul_and_other_controls_pass(gateway):
    text = "a\u0000b\u001f\u2028\ufeff"
    status, _, body = gateway.post(CHAT, chat(messages=[{"role": "user", "content": text}]))
    assert status == 200, body
    sent = json.loads(gateway.simulator_calls(1)[0]["body"])
    assert sent["messages"][0]["content"] == [{"text": text}]


# Wrong types, everywhere.

VALUES = [None, True, -1, 1.5, 1e300, 10**30, "text", "", [], [1], [[]], {}, {"a": 1}, [{"type": "?"}], [None]]
FIELDS = [
    "model", "messages", "temperature", "top_p", "top_k", "max_tokens", "max_completion_tokens", "stop", "stream",
    "stream_options", "tools", "tool_choice", "parallel_tool_calls", "functions", "function_call", "response_format",
    "n", "user", "seed", "logprobs", "top_logprobs", "logit_bias", "presence_penalty", "frequency_penalty", "metadata",
    "modalities", "prediction", "audio", "store", "reasoning_effort", "thinking", "service_tier", "serviceTier",
    "guardrailConfig", "guardrail_config", "performanceConfig", "requestMetadata", "additionalModelRequestFields",
    "additionalModelResponseFieldPaths", "anthropic_beta", "extra_headers", "drop_params", "modify_params",
    "additional_drop_params", "allowed_openai_params", "user_continue_message", "timeout", "request_timeout",
    "stream_timeout", "num_retries", "fallbacks", "tags", "cache", "model_id", "api_base", "api_key", "aws_region_name",
    "aws_access_key_id", "aws_secret_access_key", "aws_session_token", "web_search_options", "keepalive_seconds",
]  # fmt: skip


def expect_sane(answer):
    """Any success or a client error with a body; nothing that blames the server."""
    status, headers, body = answer
    assert 200 <= status < 500 and status not in (404, 405), (status, body[:500])
    if status >= 400:
        error_of(body)
    elif headers["content-type"].startswith("text/event-stream"):
        assert b"data: " in body
    else:
        assert json.loads(body)["choices"]


@pytest.mark.parametrize("field", FIELDS)
def test_a_wrong_type_in_a_member(gateway, field):
    for value in VALUES:
        try:
            expect_sane(gateway.post(CHAT, chat(**{field: value})))
        except AssertionError as error:
            raise AssertionError(f"{field}: {json.dumps(value)}") from error


CALL = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
FILE = {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0="}}
NESTED = {
    "messages": [{"role": "user", "content": "hi"}],
    "parts": [{"role": "user", "content": [{"type": "text", "text": "hi", "cache_control": {"type": "ephemeral"}}]}],
    "image": [{"role": "user", "content": [{"type": "text", "text": "hi"}, IMAGE]}],
    "file": [{"role": "user", "content": [{"type": "text", "text": "hi"}, FILE]}],
    "tools": [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "a", "content": "x"},
    ],
    "thinking": [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "x", "thinking_blocks": [{"type": "thinking", "thinking": "t", "signature": "s"}]},
        {"role": "user", "content": "hi"},
    ],
}  # fmt: skip


def places(value, path=()):
    """Paths of everything inside."""
    if path:
        yield path
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield from places(child, (*path, key))


def replaced(value, path, new):
    """A copy with one place changed."""
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = replaced(value[path[0]], path[1:], new)
    return copy


@pytest.mark.parametrize("kind", NESTED)
def test_a_wrong_type_inside_of_messages(gateway, kind):
    for path in places(NESTED[kind]):
        for value in (None, True, 7, "text", [], {}, [{}]):
            try:
                expect_sane(gateway.post(CHAT, chat(messages=replaced(NESTED[kind], path, value))))
            except AssertionError as error:
                raise AssertionError(f"{path}: {json.dumps(value)}") from error


TOOL = {"type": "function", "function": {"name": "f", "description": "d", "strict": True, "parameters": {
    "type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}}}  # fmt: skip
SHAPE = {"type": "json_schema", "json_schema": {"name": "n", "strict": True, "schema": {"type": "object"}}}


@pytest.mark.parametrize("member", ["tools", "tool_choice", "response_format"])
def test_a_wrong_type_inside_of_tools(gateway, member):
    whole = {
        "tools": [TOOL],
        "tool_choice": {"type": "function", "function": {"name": "f"}},
        "response_format": SHAPE,
    }
    for path in places(whole[member]):
        for value in (None, True, 7, "text", [], {}, [{}]):
            try:
                members = {"tools": [TOOL], member: replaced(whole[member], path, value)}
                expect_sane(gateway.post(CHAT, chat(**members)))
            except AssertionError as error:
                raise AssertionError(f"{member}{path}: {json.dumps(value)}") from error


def test_messages_are_required(gateway):
    error = refused(gateway.post(CHAT, {"model": "claude"}))
    assert error["param"] == "messages" and "messages" in error["message"]


def test_model_must_be_a_string(gateway):
    assert "'model' must be a string" in refused(gateway.post(CHAT, chat(model=["claude"])))["message"]


def test_model_is_required(gateway):
    refused(gateway.post(CHAT, {"messages": HELLO}))


def test_malformed_json_names_the_body(gateway):
    error = refused(gateway.post(CHAT, b"{"))
    assert error["param"] == "request_body" and error["message"].startswith("Invalid JSON payload")


# Names, keys, paths.


def test_an_unknown_model(gateway):
    error = refused(gateway.post(CHAT, chat(model="nobody-" + "x" * 100)))
    assert "Invalid model name" in error["message"]


def test_an_address_as_model(gateway):
    refused(gateway.post(CHAT, chat(model="http://169.254.169.254/latest")), 400)


@pytest.mark.parametrize("key", [None, "", "Bearer", "Bearer ", "Bearer sk-wrong", "Basic sk-wrong", MASTER_KEY, "Bearer " + "x" * 8000, "Bearer \u00fc"])  # fmt: skip
def test_a_wrong_key(gateway, key):
    headers = {"Authorization": key.encode("utf-8").decode("latin-1") if key else key}
    error = refused(gateway.post(CHAT, chat(), headers), 401)
    assert error["type"] == "auth_error" and MASTER_KEY not in error["message"]


@pytest.mark.parametrize(
    "header",
    ["x-litellm-api-key", "Authorization", "api-key", "x-api-key", "x-goog-api-key", "Ocp-Apim-Subscription-Key"],
)
@pytest.mark.parametrize("scheme", ["Bearer ", "bearer ", ""])
def test_every_header_that_carries_a_key(gateway, header, scheme):
    if header == "Authorization" and not scheme:
        scheme = "Basic "
    headers = {"Authorization": None, header: scheme + MASTER_KEY}
    assert gateway.post(CHAT, chat(), headers)[0] == 200


def test_a_signed_request_names_its_key(gateway):
    credential = f"AWS4-HMAC-SHA256 Credential={MASTER_KEY}/20260101/us-west-2/bedrock/aws4_request, SignedHeaders=host, Signature=0"
    assert gateway.post(CHAT, chat(), {"Authorization": credential})[0] == 200


def test_models_need_a_key_too(gateway):
    refused(gateway.get("/v1/models", {"Authorization": None}), 401)


@pytest.mark.parametrize("path", ["/nowhere", "/v1/chat", "/v1/chat/completions/x", "/%00", "/..%2f..%2fetc/passwd"])
def test_an_unknown_path(gateway, path):
    refused(gateway.post(path, chat()), 404)


def test_a_wrong_method(gateway):
    refused(gateway.get(CHAT), 404, 405)


@pytest.mark.parametrize("member", ["api_base", "base_url", "aws_role_name", "aws_sts_endpoint", "aws_bedrock_runtime_endpoint", "aws_profile_name"])  # fmt: skip
def test_a_client_may_not_redirect_calls(gateway, member):
    error = refused(gateway.post(CHAT, chat(**{member: "http://127.0.0.1:1/"})))
    assert error["param"] == member


# Media that a client names.


@pytest.fixture(scope="module")
def inside():
    """A server on a private address that nobody may be sent to."""
    with FakeAws(lambda _: Reply(200, "image/png", {}, bytes.fromhex("89504e470d0a1a0a"))) as server:
        yield server


def image(url: str) -> dict:
    content = [{"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {"url": url}}]
    return chat(messages=[{"role": "user", "content": content}])


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1:{port}", "localhost:{port}", "0.0.0.0:{port}", "[::1]:{port}", "[::ffff:127.0.0.1]:{port}", "2130706433:{port}", "0177.0.0.1:{port}", "user@127.0.0.1:{port}", "169.254.169.254", "10.0.0.1", "192.168.0.1", "[fe80::1]", "[fd00::1]"],
)  # fmt: skip
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_private_addresses_are_not_fetched(gateway, inside, address, scheme):
    inside.take()
    refused(gateway.post(CHAT, image(f"{scheme}://{address.format(port=inside.port)}/a.png")))
    assert inside.take() == []


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://127.0.0.1/a.png", "gopher://127.0.0.1/", "data:,x", "data:image/png;base64,***", "//127.0.0.1/a", "http://", "nonsense", ""])  # fmt: skip
def test_other_addresses_are_refused(gateway, url):
    refused(gateway.post(CHAT, image(url)))


def test_an_allowed_host_is_fetched_and_its_redirects_are_checked(inside):
    with FakeAws() as allowed:
        png = bytes.fromhex("89504e470d0a1a0a0000000d4948445200000001000000010806000000")

        def answer(request):
            if request.path == "/redirect.png":
                return Reply(302, headers={"location": f"{inside.url}/a.png"})
            if request.path == "/huge.png":
                return Reply(200, "image/png", {}, png + bytes(60 * 1024 * 1024))
            if request.path == "/missing.png":
                return Reply(404, "text/plain", {}, b"no")
            return Reply(200, "image/png", {}, png)

        allowed.answer = answer
        settings = {"user_url_allowed_hosts": [f"127.0.0.1:{allowed.port}"], "num_retries": 0}
        with Gateway(configuration(litellm_settings=settings), simulate=True) as gateway:
            status, _, body = gateway.post(CHAT, image(f"{allowed.url}/a.png"))
            assert status == 200, body
            blocks = json.loads(gateway.simulator_calls(1)[0]["body"])["messages"][0]["content"]
            assert {"image": {"format": "png", "source": {"bytes": base64.b64encode(png).decode()}}} in blocks
            inside.take()
            refused(gateway.post(CHAT, image(f"{allowed.url}/redirect.png")))
            assert inside.take() == []
            refused(gateway.post(CHAT, image(f"{allowed.url}/huge.png")), 400, 413)
            refused(gateway.post(CHAT, image(f"{allowed.url}/missing.png")), 400, 502)


# The wire.


def test_head_of_the_root(gateway):
    status, _, body = gateway.get("/", {"Authorization": None}, method="HEAD")
    assert (status, body) == (200, b"")


def test_the_root_says_what_this_is(gateway):
    status, headers, body = gateway.get("/", {"Authorization": None})
    assert status == 200 and b"Switchyard" in body
    assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", ["/health/liveliness", "/health/liveness"])
def test_liveness_needs_no_key(gateway, path):
    status, _, body = gateway.get(path, {"Authorization": None})
    assert (status, json.loads(body)) == (200, "I'm alive!")


def test_readiness_needs_no_key(gateway):
    status, _, body = gateway.get("/health/readiness", {"Authorization": None})
    readiness = json.loads(body)
    assert status == 200 and readiness["status"] == "healthy"
    assert readiness["config"]["status"] == "ok"


def test_http2_with_prior_knowledge(gateway):
    headers = {"Authorization": f"Bearer {MASTER_KEY}"}
    with httpx.Client(http1=False, http2=True, base_url=gateway.url, headers=headers, trust_env=False) as client:
        answers = [client.post(CHAT, json=chat()) for _ in range(3)]
        assert {(answer.http_version, answer.status_code) for answer in answers} == {("HTTP/2", 200)}
        with client.stream("POST", CHAT, json=chat(stream=True)) as answer:
            assert "".join(answer.iter_text()).endswith("data: [DONE]\n\n")


def test_a_connection_is_kept(gateway):
    headers = {"Authorization": f"Bearer {MASTER_KEY}"}
    with httpx.Client(base_url=gateway.url, headers=headers, trust_env=False) as client:
        ports = set()
        for _ in range(3):
            answer = client.post(CHAT, json=chat())
            ports.add(answer.extensions["network_stream"].get_extra_info("client_addr"))
        # Errors keep it too.
        assert client.post(CHAT, json=chat(model="nobody")).status_code == 400
        client.post(CHAT, json=chat())
        ports.add(answer.extensions["network_stream"].get_extra_info("client_addr"))
    assert len(ports) == 1


def test_two_requests_in_one_packet(gateway):
    request = f"GET /health/liveliness HTTP/1.1\r\nHost: test\r\n\r\n"
    answer = raw(gateway, (request + request.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n")).encode())
    assert answer.count(b"HTTP/1.1 200 ") == 2


def test_nonsense_instead_of_http(gateway):
    answer = raw(gateway, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"x" * 100)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 400 ")


def test_tls(tmp_path):
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost", "127.0.0.1")
    certificate.private_key_pem.write_to_path(tmp_path / "key.pem")
    for pem in certificate.cert_chain_pems:
        pem.write_to_path(tmp_path / "cert.pem", append=True)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    flags = ("--ssl_certfile", str(tmp_path / "cert.pem"), "--ssl_keyfile", str(tmp_path / "key.pem"))
    with Gateway(configuration(), *flags, simulate=True) as gateway:
        assert gateway.url.startswith("https://")
        context = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
        headers = {"Authorization": f"Bearer {MASTER_KEY}"}
        for http2 in (False, True):
            options = {"verify": context, "headers": headers, "http2": http2, "trust_env": False}
            with httpx.Client(base_url=gateway.url, **options) as client:
                answer = client.post(CHAT, json=chat())
                assert answer.status_code == 200
                assert answer.http_version == ("HTTP/2" if http2 else "HTTP/1.1")
        assert b"HTTP/1.1 200" not in raw(gateway, b"GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")


# Browsers.


def test_preflight(gateway):
    headers = {
        "Authorization": None,
        "Origin": "https://app.example.com",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type,x-stainless-lang",
    }
    status, answer, _ = gateway.get(CHAT, headers, method="OPTIONS")
    assert status in (200, 204)
    assert answer["access-control-allow-origin"] == "*"
    assert answer["access-control-max-age"] == "600"
    assert "access-control-allow-credentials" not in answer
    allowed = answer["access-control-allow-headers"].lower()
    assert allowed == "*" or "x-stainless-lang" in allowed


def test_answers_and_errors_may_be_read_by_a_browser(gateway):
    for body in (chat(), chat(model="nobody")):
        _, headers, _ = gateway.post(CHAT, body, {"Origin": "https://app.example.com"})
        assert headers["access-control-allow-origin"] == "*"


def test_origins_can_be_limited():
    origins = {"LITELLM_CORS_ORIGINS": "https://one.example.com,https://two.example.com"}
    with Gateway(configuration(), simulate=True, env=origins) as gateway:
        for origin, allowed in (("https://two.example.com", True), ("https://three.example.com", False)):
            _, headers, _ = gateway.post(CHAT, chat(), {"Origin": origin})
            assert (headers.get("access-control-allow-origin") == origin) is allowed


def test_errors_carry_headers(gateway):
    _, headers, _ = gateway.post(CHAT, chat(messages=[{"role": "user", "content": "[[sim:throttle]]"}]))
    assert headers["x-litellm-call-id"] and headers["x-litellm-model-group"] == "claude"
    assert headers["llm_provider-x-amzn-requestid"]
    assert headers["x-switchyard-total-attempts"] == "1"


def test_a_call_id_of_the_client_is_kept(gateway):
    _, headers, _ = gateway.post(CHAT, chat(), {"x-litellm-call-id": "mine-1"})
    assert headers["x-litellm-call-id"] == "mine-1"


def test_nothing_secret_is_logged(gateway):
    gateway.post(CHAT, chat(messages=[{"role": "user", "content": "a-prompt-nobody-may-see"}]))
    assert MASTER_KEY not in gateway.output
    assert "a-prompt-nobody-may-see" not in gateway.output
    assert "sim/Main+Secret" not in gateway.output
