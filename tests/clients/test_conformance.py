"""Plays the exchanges of `tests/conformance` over the built program.

One gateway for each profile has every model entry of its exchanges. The AWS behind it is `FakeAws`: it answers as the
exchange says, and botocore recomputes every signature. `SWITCHYARD_CORPUS=file` plays a file of your own instead.
"""

import base64
import json
import threading

import pytest

from support import answers, compare, referee
from support.exchange import Exchange, load
from support.fake_aws import ALTERNATIVE_KEY, HELLO, MAIN_KEY, FakeAws, Received, Reply
from support.gateway import MASTER_KEY, Gateway

EXCHANGES = load()
REFUSED_ROLE = "arn:aws:iam::111122223333:role/EnvironmentRole"

# What `error` instead of a body stands for.
ERROR_MESSAGES = {
    "UnrecognizedClientException": "The security token included in the request is invalid.",
    "ExpiredTokenException": "The security token included in the request is expired",
}


def environment(profile: str, aws: FakeAws) -> dict[str, str]:
    variables = aws.environment() | {"SIM_ALT_AK": ALTERNATIVE_KEY[0], "SIM_ALT_SK": ALTERNATIVE_KEY[1]}
    if profile == "env_mix":
        variables |= {
            "AWS_SESSION_TOKEN": "token-of-other-keys",
            "AWS_ROLE_NAME": REFUSED_ROLE,
            "AWS_SESSION_NAME": "environment",
            "AWS_REGION_NAME": "eu-west-3",
        }
    return variables


def configuration(profile: str, aws: FakeAws) -> dict:
    entries = {}
    for exchange in EXCHANGES:
        if exchange.gateway == profile and exchange.entry:
            entries[exchange.entry["model_name"]] = exchange.entry
            remember_keys(exchange.entry["litellm_params"], aws)
    model_list = json.loads(json.dumps(list(entries.values())).replace("${SIM}", aws.url))
    return {
        "model_list": model_list,
        "litellm_settings": {
            "num_retries": 0,
            "drop_params": False,
            "modify_params": profile == "modify_params",
            "user_url_allowed_hosts": ["127.0.0.1"],
        },
        "router_settings": {"num_retries": 0, "disable_cooldowns": True},
        "general_settings": {"master_key": MASTER_KEY},
    }


def remember_keys(params: dict, aws: FakeAws):
    """AWS must be able to check keys of an entry, also those that it then refuses."""
    key, secret = params.get("aws_access_key_id"), params.get("aws_secret_access_key")
    if key and secret and not key.startswith("os.environ/"):
        aws.secrets[key] = (secret, params.get("aws_session_token"))


@pytest.fixture(scope="module")
def gateways():
    """Starts a gateway and its AWS when a profile is first asked for."""
    started: dict[str, tuple[Gateway, FakeAws]] = {}

    def get(profile: str) -> tuple[Gateway, FakeAws]:
        if profile not in started:
            aws = FakeAws()
            aws.refused_roles.add(REFUSED_ROLE)
            gateway = Gateway(configuration(profile, aws), env=environment(profile, aws))
            started[profile] = (gateway, aws)
        return started[profile]

    yield get
    for gateway, aws in started.values():
        gateway.stop()
        aws.__exit__()


def reply(answer: dict) -> Reply:
    if "error" in answer:
        name = answer["error"]
        return Reply.of_error(name, answer["status"], ERROR_MESSAGES.get(name, f"simulated {name}"))
    body = base64.b64decode(answer["body_b64"]) if "body_b64" in answer else json.dumps(answer.get("json")).encode()
    return Reply(
        answer["status"],
        answer.get("content_type", "application/json"),
        answer.get("headers") or {},
        body,
        cut=bool(answer.get("connection_cut")),
    )


class Script:
    """Answers the calls of one exchange: by body, else in order."""

    def __init__(self, exchange: Exchange):
        self.exchange = exchange
        outcomes = [exchange.aws or [], *(other["aws"] for other in exchange.alternatives if "aws" in other)]
        self.outcomes = [[call for call in outcome if "answer" in call] for outcome in outcomes]
        self.count = 0
        self.lock = threading.Lock()

    def __call__(self, received: Received) -> Reply:
        with self.lock:
            candidates = [outcome[self.count] for outcome in self.outcomes if self.count < len(outcome)]
            self.count += 1
        if not candidates:
            return Reply.of_json(HELLO) if self.exchange.aws is None else Reply.of_error("Unexpected", 400, "not expected")
        # Several requests for one embeddings request come in any order.
        several = [call for outcome in self.outcomes for call in outcome]
        for call in several if self.exchange.endpoint == "/embeddings" else candidates:
            if call["path"] == received.path and not compare.bodies(call.get("body"), received.json(), []):
                return reply(call["answer"])
        return reply(candidates[0]["answer"])


def outcomes(exchange: Exchange) -> list[tuple[list[dict] | None, dict]]:
    """What may happen: the exchange's own outcome first."""
    result = [(exchange.aws, exchange.sees)]
    for other in exchange.alternatives:
        result.append((other.get("aws", exchange.aws), other.get("sees", exchange.sees)))
    # A stream may also end as its whole twin does.
    twin = next((e for e in EXCHANGES if e.name == exchange.name and not e.streamed), None)
    if exchange.streamed and twin and twin.sees.get("status") == 200 and exchange.sees.get("done"):
        said = {name: twin.sees[name] for name in ("message", "finish_reason") if name in twin.sees}
        result.append((exchange.aws, exchange.sees | said))
    return result


@pytest.mark.parametrize("exchange", EXCHANGES, ids=[exchange.id for exchange in EXCHANGES])
def test_exchange(exchange: Exchange, gateways):
    gateway, aws = gateways(exchange.gateway)
    aws.take()
    aws.answer = Script(exchange)
    headers = {"Authorization": f"Bearer {MASTER_KEY}"}
    for name, value in (exchange.client.get("headers") or {}).items():
        headers[name] = value.replace("${KEY}", MASTER_KEY) if isinstance(value, str) else value
    asked = json.loads(json.dumps(exchange.client["body"]).replace("${SIM}", aws.url))
    status, answer_headers, body = gateway.post(exchange.client["path"], asked, headers)
    received = aws.take()

    refused = [problem for call in received for problem in referee.problems_of(call)]
    assert not refused, f"botocore's service model refuses the body: {refused}"
    problems = []
    for calls, sees in outcomes(exchange):
        differences = [] if calls is None else compare.calls(calls, received, exchange, aws)
        differences += answers.differences(sees, status, answer_headers, body, exchange)
        if not differences:
            return
        problems.append(differences)
    sent = "\n".join(f"{call.method} {call.path}\n{call.body.decode(errors='replace')}" for call in received)
    pytest.fail(
        "\n".join(f"  - {difference}" for difference in problems[0])
        + f"\nclient sent: {json.dumps(exchange.client['body'], ensure_ascii=False)[:1500]}"
        + f"\nAWS received: {sent[:1500] or 'nothing'}"
        + f"\nclient saw: {status} {body[:1500].decode(errors='replace')}"
        + (f"\nwhy: {exchange.source}" if exchange.source else ""),
        pytrace=False,
    )


def test_there_are_exchanges():
    assert EXCHANGES, "no exchange that this gateway can play"
