"""`/bedrock`: AWS's own clients and `curl`, through the gateway to AWS.

boto3 is pointed at `<gateway>/bedrock`; what it signs is replaced. The recorded exchanges of
`tests/conformance/passthrough.jsonl` are played byte for byte, and every operation of Bedrock's four service models is sent
once, to see that it reaches the service that has it.
"""

import base64
import json
import os
import re
import ssl
import subprocess
import urllib.parse
from contextlib import ExitStack
from pathlib import Path

import boto3
import botocore.session
import pytest
import trustme
from anthropic import AnthropicBedrock
from anthropic._constants import ANTHROPIC_API_VERSION
from botocore.config import Config
from botocore.exceptions import ClientError, EventStreamError

from conftest import configuration
from support import signature
from support.exchange import FOLDER, Exchange, read
from support.fake_aws import MAIN_KEY, FakeAws, Reply
from support.gateway import MASTER_KEY, Gateway, clean_environment

SERVICES = {
    "bedrock-runtime": "AWS_ENDPOINT_URL_BEDROCK_RUNTIME",
    "bedrock-agent-runtime": "AWS_ENDPOINT_URL_BEDROCK_AGENT_RUNTIME",
    "bedrock": "AWS_ENDPOINT_URL_BEDROCK",
    "bedrock-agent": "AWS_ENDPOINT_URL_BEDROCK_AGENT",
}
# One path of two services: tags are those of the runtime's sessions.
SHARED = ("/tags/",)
NO_RETRIES = Config(retries={"max_attempts": 0}, proxies={})
MODEL = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
ANTHROPIC = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 60, "messages": [{"role": "user", "content": "Hello"}]}
HELLO = [{"role": "user", "content": [{"text": "Hello"}]}]


# Recorded exchanges.


def recorded() -> list[Exchange]:
    """The repository's exchanges of pass-through, or those of the file that `SWITCHYARD_CORPUS` names."""
    other = os.environ.get("SWITCHYARD_CORPUS")
    exchanges = read(Path(other) if other else FOLDER / "passthrough.jsonl")
    return [exchange for exchange in exchanges if exchange.sees.get("relay")]


EXCHANGES = recorded()


@pytest.fixture(scope="module")
def relay():
    """A gateway with the entries of all exchanges, and its AWS."""
    with FakeAws() as aws:
        entries = {e.entry["model_name"]: e.entry for e in EXCHANGES if e.entry}
        settings = {
            "model_list": json.loads(json.dumps(list(entries.values())).replace("${SIM}", aws.url)),
            "router_settings": {"num_retries": 0, "disable_cooldowns": True},
            "general_settings": {"master_key": MASTER_KEY},
        }
        with Gateway(settings, env=aws.environment()) as gateway:
            yield gateway, aws


@pytest.mark.parametrize("exchange", EXCHANGES, ids=[exchange.id for exchange in EXCHANGES])
def test_recorded_exchange_is_relayed_byte_for_byte(exchange: Exchange, relay):
    gateway, aws = relay
    [want] = exchange.aws
    answer = want["answer"]
    body = base64.b64decode(answer["body_b64"]) if "body_b64" in answer else json.dumps(answer["json"]).encode()
    aws.answer = lambda _: Reply(answer["status"], answer["content_type"], answer.get("headers") or {}, body)
    aws.take()
    sent = json.dumps(exchange.client["body"], ensure_ascii=False).encode()
    status, headers, got = gateway.post(exchange.client["path"], sent, exchange.client.get("headers") or {})
    assert (status, got) == (answer["status"], body)
    assert headers["content-type"] == answer["content_type"]
    for name, value in (answer.get("headers") or {}).items():
        assert headers[name] == value
    [received] = aws.take()
    assert (received.method, received.path) == ("POST", urllib.parse.unquote(want["path"]))
    assert received.body == sent
    signed = aws.verify(received)
    assert (signed.access_key, signed.service) == (MAIN_KEY[0], "bedrock")
    for name, value in (exchange.client.get("headers") or {}).items():
        assert received.header(name.lower()) == value
        assert name.lower() in signed.signed_headers


def test_there_are_exchanges():
    assert len(EXCHANGES) >= 10


# Every operation goes to its service.


def operations() -> list[tuple[str, str, str, str]]:
    """Service, operation, method and path with something in each place, of all four service models."""
    session = botocore.session.get_session()
    found = []
    for service in SERVICES:
        model = session.get_service_model(service)
        for name in model.operation_names:
            operation = model.operation_model(name)
            path = re.sub(r"\{\w+\+?\}", "x1", operation.http["requestUri"])
            if name != "InvokeModelWithBidirectionalStream":
                found.append((service, name, operation.http["method"], path))
    return found


def test_every_operation_reaches_the_service_that_has_it():
    with ExitStack() as stack:
        clouds = {service: stack.enter_context(FakeAws(lambda _: Reply.of_json({}))) for service in SERVICES}
        environment = clouds["bedrock"].environment()
        environment = {name: value for name, value in environment.items() if "ENDPOINT" not in name}
        environment |= {variable: clouds[service].url for service, variable in SERVICES.items()}
        settings = {
            "model_list": [{"model_name": "m", "litellm_params": {"model": f"bedrock/{MODEL}"}}],
            "general_settings": {"master_key": MASTER_KEY},
        }
        gateway = stack.enter_context(Gateway(settings, env=environment))
        wrong = []
        for service, name, method, path in operations():
            status, _, body = gateway.get(f"/bedrock{path}", method=method)
            reached = {cloud for cloud, aws in clouds.items() for call in aws.take() if call.path == path and call.method == method}
            expected = "bedrock-agent-runtime" if path.startswith(SHARED) else service
            if status != 200 or reached != {expected}:
                wrong.append(f"{service} {name}: {method} {path} → {status}, {reached or body[:200]}")
        assert not wrong, "\n".join(wrong)
        assert len(operations()) > 200


# boto3.


def client(service: str, gateway: Gateway, key: str = MASTER_KEY, **more):
    """AWS's client, whose access key id is a key of the gateway."""
    return boto3.client(
        service,
        region_name="us-west-2",
        endpoint_url=f"{gateway.url}/bedrock",
        aws_access_key_id=key,
        aws_secret_access_key="anything",
        config=NO_RETRIES,
        **more,
    )


def text(message: dict) -> str:
    """What a Converse message says."""
    return "".join(block.get("text", "") for block in message["content"])


@pytest.mark.parametrize("model", ["claude", MODEL], ids=["name", "id"])
def test_boto3_converses_and_invokes(gateway, model):
    runtime = client("bedrock-runtime", gateway)
    whole = runtime.converse(modelId=model, messages=HELLO)
    assert text(whole["output"]["message"]) and whole["usage"]["totalTokens"] > 0
    assert whole["ResponseMetadata"]["RequestId"]
    streamed = runtime.converse_stream(modelId=model, messages=HELLO)
    events = list(streamed["stream"])
    said = "".join(e["contentBlockDelta"]["delta"].get("text", "") for e in events if "contentBlockDelta" in e)
    assert said == text(whole["output"]["message"])
    assert events[-1]["metadata"]["usage"] == whole["usage"]
    invoked = runtime.invoke_model(modelId=model, body=json.dumps(ANTHROPIC))
    answer = json.load(invoked["body"])
    assert answer["content"][0]["text"] and invoked["contentType"] == "application/json"
    chunks = runtime.invoke_model_with_response_stream(modelId=model, body=json.dumps(ANTHROPIC))["body"]
    pieces = [json.loads(event["chunk"]["bytes"]) for event in chunks]
    assert pieces[0]["type"] == "message_start"
    assert pieces[-1]["amazon-bedrock-invocationMetrics"]["outputTokenCount"] > 0
    [call] = gateway.simulator_calls()
    assert urllib.parse.unquote(call["path"]).startswith(f"/model/{MODEL}/")


def test_anthropics_bedrock_client_sends_its_own_version_of_the_api(gateway):
    asks = {"model": "claude", "max_tokens": 60, "messages": [{"role": "user", "content": "Hello"}]}
    with AnthropicBedrock(
        base_url=f"{gateway.url}/bedrock", aws_access_key=MASTER_KEY, aws_secret_key="any", aws_region="us-west-2", max_retries=0
    ) as bedrock:
        whole = bedrock.messages.create(**asks)
        assert whole.content[0].text and whole.usage.output_tokens > 0
        with bedrock.messages.stream(**asks) as stream:
            assert "".join(stream.text_stream) == whole.content[0].text
    # What it sends beside AWS's documents goes on as it came: AWS decides.
    with FakeAws() as aws:
        answer = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [{"type": "text", "text": "Hi"}]}
        answer |= {"stop_reason": "end_turn", "stop_sequence": None, "usage": {"input_tokens": 1, "output_tokens": 1}}
        aws.answer = lambda _: Reply(200, "application/json", {}, json.dumps(answer).encode())
        with Gateway(configuration(), env=aws.environment()) as relay, AnthropicBedrock(
            base_url=f"{relay.url}/bedrock", aws_access_key=MASTER_KEY, aws_secret_key="any", aws_region="us-west-2", max_retries=0
        ) as bedrock:
            assert bedrock.messages.create(**{**asks, "model": MODEL}).content[0].text == "Hi"
        [received] = aws.take()
        assert json.loads(received.body)["anthropic_version"] == ANTHROPIC_API_VERSION


def test_boto3_counts_tokens(gateway):
    runtime = client("bedrock-runtime", gateway)
    asked = {"converse": {"messages": HELLO}}
    by_name = runtime.count_tokens(modelId="claude", input=asked)["inputTokens"]
    by_id = runtime.count_tokens(modelId=MODEL.removeprefix("us."), input=asked)["inputTokens"]
    assert by_name == by_id > 0
    # AWS counts for foundation models only, and that is what it says.
    assert refused(lambda: runtime.count_tokens(modelId=MODEL, input=asked))[:2] == (400, "ValidationException")


def test_boto3_applies_a_guardrail(gateway):
    runtime = client("bedrock-runtime", gateway)
    content = [{"text": {"text": "Hello world"}}]
    applied = runtime.apply_guardrail(guardrailIdentifier="ff6ujrregl1q", guardrailVersion="DRAFT", source="INPUT", content=content)
    assert (applied["action"], applied["outputs"]) == ("NONE", [])
    content = [{"text": {"text": "[[sim:guardrail]]"}}]
    applied = runtime.apply_guardrail(guardrailIdentifier="ff6ujrregl1q", guardrailVersion="1", source="OUTPUT", content=content)
    assert applied["action"] == "GUARDRAIL_INTERVENED" and applied["assessments"]


def with_key_beside(session_client, value: str):
    """LiteLLM's way: the key in a header that the client's signature does not cover."""

    def inject(request, **_):
        request.headers.update({"litellm_user_api_key": value})

    session_client.meta.events.register("before-send.*.*", inject)
    return session_client


@pytest.mark.parametrize("value", [f"Bearer {MASTER_KEY}", MASTER_KEY], ids=["scheme", "bare"])
def test_boto3_asks_agents_and_knowledge_bases(gateway, value):
    runtime = with_key_beside(client("bedrock-agent-runtime", gateway, "my-fake-key-id"), value)
    response = runtime.invoke_agent(
        agentId="L1RT58GYRW", agentAliasId="MFPSBCXYTW", sessionId="12345", inputText="Who do you know?", enableTrace=True
    )
    assert response["sessionId"] == "12345"
    events = list(response["completion"])
    completion = b"".join(event["chunk"]["bytes"] for event in events if "chunk" in event).decode()
    assert completion.endswith("Who do you know?")
    assert any("trace" in event for event in events)
    found = runtime.retrieve(knowledgeBaseId="KB12345678", retrievalQuery={"text": "What does the fox do?"})
    assert "fox" in found["retrievalResults"][0]["content"]["text"]
    arn = f"arn:aws:bedrock:us-west-2::foundation-model/{MODEL.removeprefix('us.')}"
    made = runtime.retrieve_and_generate(
        input={"text": "What does the fox do?"},
        retrieveAndGenerateConfiguration={
            "type": "KNOWLEDGE_BASE",
            "knowledgeBaseConfiguration": {"knowledgeBaseId": "KB12345678", "modelArn": arn},
        },
    )
    assert made["output"]["text"] and made["citations"][0]["retrievedReferences"]


def test_boto3_reads_the_control_plane(gateway):
    control = client("bedrock", gateway)
    profiles = control.list_inference_profiles(typeEquals="SYSTEM_DEFINED")["inferenceProfileSummaries"]
    assert MODEL in [profile["inferenceProfileId"] for profile in profiles]
    arn = "arn:aws:bedrock:us-west-2:123456789012:application-inference-profile/a0a0a0a0a0a0"
    assert control.get_inference_profile(inferenceProfileIdentifier=arn)["inferenceProfileArn"] == arn
    assert control.list_foundation_models()["modelSummaries"]
    made = control.create_guardrail(name="g", blockedInputMessaging="no", blockedOutputsMessaging="no")
    assert made["version"] == "DRAFT"
    assert client("bedrock-agent", gateway).list_agents()["agentSummaries"]


def refused(ask) -> tuple[int, str, str]:
    """The error that AWS's client raises: status, code, message."""
    with pytest.raises(ClientError) as raised:
        ask()
    response = raised.value.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"], response["Error"]["Message"]


def test_errors_raise_what_aws_would(gateway):
    runtime = client("bedrock-runtime", gateway)

    def asked(words):
        return lambda: runtime.converse(modelId="claude", messages=[{"role": "user", "content": [{"text": words}]}])

    assert refused(asked("[[sim:throttle]]"))[:2] == (429, "ThrottlingException")
    assert refused(asked("[[sim:access-denied]]"))[:2] == (403, "AccessDeniedException")
    nobody = client("bedrock-runtime", gateway, "sk-nobody")
    status, code, message = refused(lambda: nobody.converse(modelId="claude", messages=HELLO))
    assert (status, code) == (401, "UnrecognizedClientException") and "sk-nobody" not in message
    stream = runtime.converse_stream(
        modelId="claude", messages=[{"role": "user", "content": [{"text": "one two three four five [[sim:exception-mid]]"}]}]
    )
    with pytest.raises(EventStreamError):
        list(stream["stream"])


def test_virtual_keys_are_held_to_what_they_may():
    keys = [{"key": "sk-team-0123456789", "models": ["claude"]}, {"key": "sk-all-0123456789"}]
    with Gateway(configuration(virtual_keys=keys), simulate=True) as gateway:
        team = client("bedrock-runtime", gateway, "sk-team-0123456789")
        assert team.converse(modelId="claude", messages=HELLO)["stopReason"]
        assert refused(lambda: team.converse(modelId="nova", messages=HELLO))[:2] == (403, "AccessDeniedException")
        assert refused(lambda: team.converse(modelId=MODEL, messages=HELLO))[:2] == (403, "AccessDeniedException")
        control = client("bedrock", gateway, "sk-all-0123456789")
        assert control.list_inference_profiles()["inferenceProfileSummaries"]
        ask = {"name": "g", "blockedInputMessaging": "no", "blockedOutputsMessaging": "no"}
        assert refused(lambda: control.create_guardrail(**ask))[:2] == (403, "AccessDeniedException")
        build = client("bedrock-agent", gateway, "sk-all-0123456789")
        assert refused(lambda: build.list_agents())[:2] == (403, "AccessDeniedException")


def test_boto3_sends_a_key_as_bearer_over_tls(tmp_path, monkeypatch):
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    certificate.private_key_pem.write_to_path(tmp_path / "key.pem")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    assert ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
    flags = ("--ssl_certfile", str(tmp_path / "cert.pem"), "--ssl_keyfile", str(tmp_path / "key.pem"))
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", MASTER_KEY)
    with Gateway(configuration(), *flags, simulate=True) as gateway:
        runtime = boto3.client(
            "bedrock-runtime",
            region_name="us-west-2",
            endpoint_url=f"{gateway.url}/bedrock",
            verify=str(tmp_path / "ca.pem"),
            config=NO_RETRIES,
        )
        assert runtime.converse(modelId="claude", messages=HELLO)["stopReason"] == "end_turn"


# Others.


def test_an_agent_in_bedrock_mode_finds_its_profiles_and_streams(gateway):
    """What Claude Code sends with `ANTHROPIC_BEDROCK_BASE_URL` and `AWS_BEARER_TOKEN_BEDROCK`."""
    status, headers, body = gateway.get("/bedrock/inference-profiles?type=SYSTEM_DEFINED")
    assert (status, headers["content-type"]) == (200, "application/json")
    assert MODEL in [profile["inferenceProfileId"] for profile in json.loads(body)["inferenceProfileSummaries"]]
    betas = ANTHROPIC | {"anthropic_beta": ["interleaved-thinking-2025-05-14"]}
    status, headers, body = gateway.post(f"/bedrock/model/{MODEL}/invoke-with-response-stream", betas)
    assert (status, headers["content-type"]) == (200, "application/vnd.amazon.eventstream")
    assert body.count(b":event-type") == body.count(b"chunk")
    status, _, body = gateway.post(f"/bedrock/model/{MODEL}/invoke", betas)
    assert status == 200 and json.loads(body)["type"] == "message"


def test_curl_asks_as_the_documentation_does(gateway, tmp_path):
    command = (
        f"curl -sS -X POST '{gateway.url}/bedrock/model/cohere.command-r-v1:0/converse' -H 'Authorization: Bearer {MASTER_KEY}' "
        """-H 'Content-Type: application/json' -d '{"messages": [{"role": "user", "content": [{"text": "Hello"}]}]}'"""
    )
    result = subprocess.run(
        ["bash", "-euc", command], env=clean_environment(str(tmp_path)), capture_output=True, text=True, timeout=60, check=True
    )
    assert json.loads(result.stdout)["output"]["message"]["role"] == "assistant"


def test_the_clients_own_signature_is_replaced(gateway):
    runtime = client("bedrock-runtime", gateway)
    runtime.converse(modelId="claude", messages=HELLO)
    [call] = gateway.simulator_calls()
    assert MASTER_KEY not in json.dumps(call)
    signed = signature.verify(
        call["method"],
        f"http://{call['headers']['host']}{call['path']}",
        list(call["headers"].items()),
        call["body"].encode(),
        {"AKIASIMMAIN0000000001": ("sim/Main+Secret/0000000000000000000001", None)},
    )
    assert signed.service == "bedrock"
