"""AWS's own Python SDK judges what the gateway sends: bodies by its service model, signatures by its signer."""

import json
from pathlib import Path

import pytest

from support import referee, vectors
from support.fake_aws import MAIN_KEY, FakeAws
from support.gateway import MASTER_KEY, REPOSITORY, Gateway

TEMPORARY_KEY = ("ASIASIMTEMP0000000004", "sim/Temp+Secret/0000000000000000000004")
SESSION_TOKEN = "FwoGZXIvYXdzEJr//////////wEaD+session/token=="
ROLE = "arn:aws:iam::123456789012:role/Caller"
PROFILE = "arn:aws:bedrock:eu-central-1:123456789012:application-inference-profile/a0b1c2"
UNICODE = "Grüße, 世界 🌍 \u2028 \u0000 \" \\ / <>& é"

# Name in the file, `litellm_params`, the id that boto3 is given, region, and who signs.
CASES = {
    "plain": ({"model": "bedrock/converse/amazon.nova-lite"}, "amazon.nova-lite", "us-west-2"),
    "colon": (
        {"model": "bedrock/anthropic.claude-3-5-sonnet-20240620-v1:0"},
        "anthropic.claude-3-5-sonnet-20240620-v1:0",
        "us-west-2",
    ),
    "profile": (
        {"model": "bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0", "aws_region_name": "us-east-1"},
        "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        "us-east-1",
    ),
    "arn": ({"model": f"bedrock/converse/{PROFILE}"}, PROFILE, "eu-central-1"),
    "model-id": (
        {"model": "bedrock/anthropic.claude-3-5-sonnet-20240620-v1:0", "model_id": PROFILE},
        PROFILE,
        "eu-central-1",
    ),
    "throughput": (
        {"model": "bedrock/converse/arn:aws:bedrock:us-east-2:123456789012:provisioned-model/x1y2"},
        "arn:aws:bedrock:us-east-2:123456789012:provisioned-model/x1y2",
        "us-east-2",
    ),
    "govcloud": (
        {"model": "bedrock/converse/anthropic.claude-3-haiku-20240307-v1:0", "aws_region_name": "us-gov-west-1"},
        "anthropic.claude-3-haiku-20240307-v1:0",
        "us-gov-west-1",
    ),
    "session-token": (
        {
            "model": "bedrock/anthropic.claude-3-5-sonnet-20240620-v1:0",
            "aws_access_key_id": TEMPORARY_KEY[0],
            "aws_secret_access_key": TEMPORARY_KEY[1],
            "aws_session_token": SESSION_TOKEN,
        },
        "anthropic.claude-3-5-sonnet-20240620-v1:0",
        "us-west-2",
    ),
}
TEXTS = {"ascii": "hi", "unicode": UNICODE, "long": "ä" * 100_000}


@pytest.fixture(scope="module")
def aws():
    with FakeAws() as aws:
        aws.secrets[TEMPORARY_KEY[0]] = (TEMPORARY_KEY[1], SESSION_TOKEN)
        yield aws


@pytest.fixture(scope="module")
def gateway(aws):
    entries = [{"model_name": name, "litellm_params": params} for name, (params, *_) in CASES.items()]
    entries += [
        {
            "model_name": "role",
            "litellm_params": {
                "model": "bedrock/anthropic.claude-3-5-sonnet-20240620-v1:0",
                "aws_role_name": ROLE,
                "aws_session_name": "tests",
                "aws_external_id": "outside",
            },
        },
        {
            "model_name": "headers",
            "litellm_params": {
                "model": "bedrock/anthropic.claude-3-5-sonnet-20240620-v1:0",
                "extra_headers": {"x-amzn-bedrock-trace": "ENABLED", "x-team": "search", "x-amz-extra": "a  b "},
            },
        },
        {
            "model_name": "bearer",
            "litellm_params": {"model": "bedrock/amazon.nova-lite-v1:0", "api_key": "ABSKsim-bedrock-api-key-0001"},
        },
        {
            "model_name": "prefix",
            "litellm_params": {
                "model": "bedrock/anthropic.claude-3-5-sonnet-20240620-v1:0",
                "aws_bedrock_runtime_endpoint": f"{aws.url}/a path/é~(1)/",
            },
        },
    ]
    config = {
        "model_list": entries,
        "router_settings": {"num_retries": 0},
        "general_settings": {"master_key": MASTER_KEY},
    }
    with Gateway(config, env=aws.environment()) as gateway:
        yield gateway


def ask(gateway, aws, model, text="hi", **members):
    """Sends a call through the gateway; returns what AWS received."""
    aws.take()
    body = {"model": model, "messages": [{"role": "user", "content": text}], **members}
    status, _, answer = gateway.post("/v1/chat/completions", json.dumps(body, ensure_ascii=False).encode())
    assert status == 200, answer
    (call,) = aws.take()
    return call


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("case", CASES)
def test_boto3_signs_the_same(gateway, aws, case, text):
    params, model_id, region = CASES[case]
    call = ask(gateway, aws, case, TEXTS[text])
    key, token = (TEMPORARY_KEY, SESSION_TOKEN) if case == "session-token" else (MAIN_KEY, None)
    by_boto3 = referee.sent_by_boto3(call, model_id, region, key, token)
    assert f"http://{call.host}{call.target}" == by_boto3["url"]
    # The signature covers the canonical request, so equal headers mean that it is the same byte for byte.
    assert call.header("authorization") == by_boto3["headers"]["authorization"]
    assert call.header("x-amz-security-token") == by_boto3["headers"].get("x-amz-security-token")
    assert referee.problems_of(call) == []
    assert call.json()["messages"][0]["content"] == [{"text": TEXTS[text]}]


def test_issued_keys_sign(gateway, aws):
    call = ask(gateway, aws, "role")
    assert aws.verify(call).access_key in aws.issued


def test_issued_keys_are_kept(gateway, aws):
    ask(gateway, aws, "role")
    before = len(aws.issued)
    ask(gateway, aws, "role")
    assert len(aws.issued) == before


def test_extra_headers_of_amazons_kind_are_signed_and_others_are_not(gateway, aws):
    call = ask(gateway, aws, "headers")
    signed = aws.verify(call).signed_headers
    assert {"x-amzn-bedrock-trace", "x-amz-extra"} <= set(signed)
    assert "x-team" not in signed and call.header("x-team") == "search"


def test_a_path_prefix_is_signed_as_it_is_sent(gateway, aws):
    call = ask(gateway, aws, "prefix")
    assert call.path == "/a path/é~(1)/model/anthropic.claude-3-5-sonnet-20240620-v1:0/converse"
    aws.verify(call)


def test_a_bearer_key_is_not_signed(gateway, aws):
    call = ask(gateway, aws, "bearer")
    assert call.header("authorization") == "Bearer ABSKsim-bedrock-api-key-0001"
    assert not any(name.lower().startswith("x-amz-") for name, _ in call.headers)


def test_the_clients_key_does_not_reach_aws(gateway, aws):
    call = ask(gateway, aws, "colon")
    assert MASTER_KEY not in str(call.headers) and MASTER_KEY.encode() not in call.body


# Golden bodies: what the transformers must write for the fixtures of the Rust tests.

GOLDEN = sorted((REPOSITORY / "tests" / "golden" / "requests").glob("*.json"))


def golden_body(file: Path) -> dict | None:
    """The Converse body that a fixture expects; None if it expects a refusal, or a model's own format."""
    expect = json.loads(file.read_text())["expect"]
    return None if "operation" in expect else expect.get("body")


def test_there_are_golden_bodies():
    assert sum(golden_body(file) is not None for file in GOLDEN) >= 100


@pytest.mark.parametrize("file", GOLDEN, ids=[file.stem for file in GOLDEN])
def test_golden_bodies_fit_the_service_model(file):
    body = golden_body(file)
    if body is not None:
        assert referee.problems_of_body("Converse", body) == []


def test_the_vectors_of_the_rust_tests_are_botocores():
    assert vectors.FILE.read_text() == vectors.text(), "run `python -m support.vectors` in tests/clients"
