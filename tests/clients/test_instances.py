"""Two instances, one Redis: what they share, and what holds when Redis is lost, frozen or not there."""

import contextlib
import itertools
import json
import re
import signal
import socket
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from support.fake_aws import MAIN_KEY
from support.gateway import MASTER_KEY, Gateway, Simulator, eventually
from support.redis import Redis

CHAT = "/v1/chat/completions"
MODEL = "bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0"
LIMITED_KEY, SPENDING_KEY = "sk-tests-limited-0123456789", "sk-tests-spending-0123456789"
RPM = 100
SLOTS = 16
# Where instances tell Redis that they are there, and when.
INSTANCES = "switchyard:{state}:instances"
# Long enough that a busy machine is not taken for an outage.
PATIENT_MS = 5000
SECRETS = [MASTER_KEY, LIMITED_KEY, SPENDING_KEY, MAIN_KEY[1]]


def entry(group: str, url: str, ident: str | None = None, **params) -> dict:
    """An entry of `model_list` that calls the simulator at `url`."""
    return {
        "model_name": group,
        "litellm_params": {"model": MODEL, "aws_bedrock_runtime_endpoint": url, **params},
        "model_info": {"id": ident or f"{group}-1"},
    }


def configuration(redis: Redis, simulator: Simulator, **sections) -> dict:
    """What both instances are started with; `sections` are merged over it."""
    settings = {
        "model_list": [
            entry("open", simulator.url),
            entry("limited", simulator.url, rpm=RPM),
            entry("named", simulator.url, rpm=RPM),
            # The first pick always fails, and is cooled down at once; the other one answers.
            entry("shaky", f"{simulator.url}/fault/throttle", "shaky-bad", weight=1),
            entry("shaky", simulator.url, "shaky-good", weight=0),
            # A call costs 1 USD per token that it answers with.
            entry("paid", simulator.url, output_cost_per_token=1, input_cost_per_token=0, max_budget=1e6, budget_duration="1d"),
        ],
        "router_settings": {
            "num_retries": 1,
            "cooldown_time": 60,
            "optional_pre_call_checks": ["enforce_model_rate_limits", "router_budget_limiting"],
            "redis_host": "127.0.0.1",
            "redis_port": redis.port,
            "redis_timeout_ms": PATIENT_MS,
        },
        "litellm_settings": {"cache": True, "cache_params": {"type": "redis", "mode": "default_off", "ttl": 600}},
        "general_settings": {"master_key": MASTER_KEY, "global_max_parallel_requests": SLOTS},
        "virtual_keys": [
            {"key": LIMITED_KEY, "key_alias": "limited", "rpm_limit": RPM},
            {"key": SPENDING_KEY, "key_alias": "spending", "max_budget": 0.5, "budget_duration": "1d"},
        ],
    }
    for name, section in sections.items():
        settings[name] = settings[name] | section
    return settings


class Twins:
    """Two gateways before one simulated AWS, with one Redis."""

    def __init__(self, stack: contextlib.ExitStack, redis: Redis, **sections):
        self.redis = redis
        self.simulator = stack.enter_context(Simulator())
        config = configuration(redis, self.simulator, **sections)
        environment = {
            "AWS_ACCESS_KEY_ID": MAIN_KEY[0],
            "AWS_SECRET_ACCESS_KEY": MAIN_KEY[1],
            "AWS_REGION": "us-west-2",
        }
        self.both = [stack.enter_context(Gateway(config, env=environment)) for _ in range(2)]

    def offer(self, count: int, model: str, key: str = MASTER_KEY) -> list[int]:
        """Calls both in turn, several at a time; returns the statuses."""
        gateways = itertools.islice(itertools.cycle(self.both), count)
        with ThreadPoolExecutor(8) as threads:
            return list(threads.map(lambda gateway: chat(gateway, model, key)[0], gateways))

    def until_redis_is(self, state: str):
        """Waits until both say so of Redis."""
        said = lambda: {readiness(gateway)["redis"] for gateway in self.both} == {state}  # noqa: E731
        eventually(said, 20, f"redis is {state}")

    def until_they_know_each_other(self):
        """Waits until each has exchanged since the other was there: from then on shares are halves."""
        with self.redis.client() as client:
            eventually(lambda: client.hlen(INSTANCES) == 2, 20, "two instances")
        self.exchange()

    def exchange(self):
        """Waits until both have exchanged since now."""
        with self.redis.client() as client:
            # Twice, because the first may have begun before now.
            for _ in range(2):
                before = client.hgetall(INSTANCES)
                eventually(lambda: all_moved(before, client.hgetall(INSTANCES)), 20, "an exchange of both")  # noqa: B023


def all_moved(before: dict, after: dict) -> bool:
    """Whether every instance was heard of again."""
    return len(before) == 2 and all(after.get(name, heard) != heard for name, heard in before.items())


@pytest.fixture(scope="module")
def twins():
    """Two instances that stay well."""
    with contextlib.ExitStack() as stack:
        twins = Twins(stack, stack.enter_context(Redis()))
        twins.until_redis_is("connected")
        twins.until_they_know_each_other()
        yield twins
        for gateway in twins.both:
            assert gateway.alive() and "panicked" not in gateway.output, gateway.output[-4000:]


@pytest.fixture
def start():
    """Starts twins with a Redis that the test may end, and other settings."""
    with contextlib.ExitStack() as stack:
        yield lambda redis=None, **sections: Twins(stack, redis or stack.enter_context(Redis()), **sections)


def chat(gateway: Gateway, model: str, key: str = MASTER_KEY, text: str = "hi", **members):
    """One call: status, headers and body."""
    body = {"model": model, "messages": [{"role": "user", "content": text}], **members}
    return gateway.post(CHAT, body, {"Authorization": f"Bearer {key}"})


def readiness(gateway: Gateway) -> dict:
    """What the probe answers, which is 200 whatever Redis does."""
    status, _, body = gateway.get("/health/readiness")
    assert status == 200, body
    return json.loads(body)


def metric(gateway: Gateway, name: str) -> float:
    """A metric without labels."""
    return float(re.search(rf"^{name} (\S+)$", gateway.get("/metrics")[2].decode(), re.MULTILINE)[1])


def deployment(gateway: Gateway, ident: str) -> dict:
    """What the router knows of a deployment."""
    groups = json.loads(gateway.get("/router/state")[2])["groups"]
    return next(known for group in groups for known in group["deployments"] if known["id"] == ident)


def tally(statuses: list[int]) -> dict[int, int]:
    """How often each status came."""
    return {status: statuses.count(status) for status in sorted(set(statuses))}


def is_exact(statuses: list[int], limit: int = RPM) -> bool:
    """Whether as many as the limit were admitted, one more or less, and all others told so."""
    admitted = statuses.count(200)
    return abs(admitted - limit) <= 1 and statuses.count(429) == len(statuses) - admitted


# While Redis is there.


@pytest.mark.parametrize(
    "model, key",
    [("limited", MASTER_KEY), ("named-1", MASTER_KEY), ("open", LIMITED_KEY)],
    ids=["deployment", "deployment called by its id", "key"],
)
def test_a_limit_per_minute_is_one_for_both(twins, model, key):
    before = twins.simulator.state()["calls_total"]
    statuses = twins.offer(150, model, key)
    assert is_exact(statuses), tally(statuses)
    assert twins.simulator.state()["calls_total"] - before == statuses.count(200)


def test_a_cooldown_of_one_is_known_to_the_other_within_a_second(twins):
    one, two = twins.both
    status, headers, body = chat(one, "shaky")
    begun = time.monotonic()
    assert status == 200 and headers["x-switchyard-total-attempts"] == "2", body
    cooldown = eventually(lambda: deployment(two, "shaky-bad")["cooldown"], 1, "the other knows the cooldown")
    print(f"\nthe other knows the cooldown after {(time.monotonic() - begun) * 1000:.0f} ms at most")
    own = deployment(one, "shaky-bad")["cooldown"]
    assert (cooldown["reason"], cooldown["step"]) == (own["reason"], own["step"]) == ("throttled", 1)
    assert abs(cooldown["remaining_ms"] - own["remaining_ms"]) < 1000, (cooldown, own)
    status, headers, _ = chat(two, "shaky")
    assert (status, headers["x-litellm-model-id"], headers["x-switchyard-total-attempts"]) == (200, "shaky-good", "1")


def test_an_answer_that_one_kept_is_a_hit_for_the_other(twins):
    one, two = twins.both
    asked = {"text": f"{uuid.uuid4()}", "cache": {"use-cache": True}}
    first = chat(one, "open", **asked)
    assert (first[0], first[1]["x-litellm-cache-hit"].lower()) == (200, "false")
    with twins.redis.client() as client:
        # Answers are written after they were given.
        eventually(lambda: [key for key in client.scan_iter() if "{state}" not in key], 20, "the answer is written")
    calls = twins.simulator.state()["calls_total"]
    second = chat(two, "open", **asked)
    assert (second[0], second[1]["x-litellm-cache-hit"].lower()) == (200, "true")
    assert json.loads(second[2])["choices"] == json.loads(first[2])["choices"]
    assert twins.simulator.state()["calls_total"] == calls


def test_budgets_add_up(twins):
    one, two = twins.both
    say = {"text": "[[sim:say one]]"}
    tokens = 0
    for gateway in twins.both:
        status, _, body = chat(gateway, "paid", **say)
        assert status == 200, body
        tokens += json.loads(body)["usage"]["completion_tokens"]
    spent = lambda: {deployment(gateway, "paid-1")["budget"]["spent_usd"] for gateway in twins.both}  # noqa: E731
    eventually(lambda: spent() == {tokens}, 5, f"both know of {tokens} USD")
    # The key's budget has room for one call.
    status, _, body = chat(one, "paid", SPENDING_KEY, **say)
    assert status == 200, body
    tokens += json.loads(body)["usage"]["completion_tokens"]
    eventually(lambda: spent() == {tokens}, 5, f"both know of {tokens} USD")
    twins.exchange()
    status, _, body = chat(two, "paid", SPENDING_KEY, **say)
    assert status == 422 and b"udget" in body, body


def test_calls_at_one_time_are_counted_over_both(twins):
    slow = "[[sim:long=3000]] [[sim:slow=50]]"
    one, two = twins.both
    with contextlib.ExitStack() as stack:
        open_ones = [stack.enter_context(OpenStream(gateway, slow)) for gateway in twins.both for _ in range(SLOTS // 2)]
        for gateway in twins.both:
            status, headers, body = chat(gateway, "open")
            assert status == 429 and headers["retry-after"] == "1", body
        # A client of the one hangs up, and the other may call.
        open_ones[0].close()
        eventually(lambda: chat(two, "open")[0] == 200, 5, "a slot is free")
    eventually(lambda: twins.offer(8, "open").count(200) == 8, 5, "all slots are free")


# While it is not.


@pytest.mark.parametrize("model, key", [("limited", MASTER_KEY), ("open", LIMITED_KEY)], ids=["deployment", "key"])
def test_a_limit_holds_across_a_redis_that_is_killed_and_comes_back_empty(start, model, key):
    twins = start()
    twins.until_redis_is("connected")
    twins.until_they_know_each_other()
    statuses = twins.offer(60, model, key)
    assert tally(statuses) == {200: 60}
    twins.redis.kill()
    # Each has a share of what is left, and nobody waits.
    statuses += twins.offer(10, model, key)
    assert tally(statuses) == {200: 70}
    twins.until_redis_is("disconnected")
    twins.redis.restart()
    twins.until_redis_is("connected")
    statuses += twins.offer(80, model, key)
    assert is_exact(statuses), tally(statuses)


def test_a_frozen_redis_costs_one_timeout_and_no_call(start):
    timeout_ms = 500
    twins = start(router_settings={"redis_timeout_ms": timeout_ms})
    twins.until_redis_is("connected")
    twins.until_they_know_each_other()
    statuses = twins.offer(40, "open", LIMITED_KEY)
    assert tally(statuses) == {200: 40}
    twins.redis.freeze()
    begun = time.monotonic()
    for gateway in twins.both * 10:
        statuses.append(chat(gateway, "open", LIMITED_KEY)[0])
    took = time.monotonic() - begun
    print(f"\n20 calls while Redis is frozen, with a timeout of {timeout_ms} ms: {took * 1000:.0f} ms")
    assert tally(statuses) == {200: 60}
    # One call after the other: without a breaker each would wait for a timeout at least.
    assert took < 10 * timeout_ms / 1000
    twins.until_redis_is("disconnected")
    assert all(metric(gateway, "switchyard_store_up") == 0 for gateway in twins.both)
    twins.redis.thaw()
    twins.until_redis_is("connected")
    assert all(metric(gateway, "switchyard_store_up") == 1 for gateway in twins.both)
    twins.exchange()
    statuses += twins.offer(90, "open", LIMITED_KEY)
    assert is_exact(statuses), tally(statuses)


def test_what_is_shared_survives_a_redis_that_comes_back_empty(start):
    twins = start()
    one, two = twins.both
    twins.until_redis_is("connected")
    twins.until_they_know_each_other()
    assert chat(one, "shaky")[0] == 200
    eventually(lambda: deployment(two, "shaky-bad")["cooldown"], 5, "the other knows the cooldown")
    status, _, body = chat(one, "paid", SPENDING_KEY, text="[[sim:say one]]")
    assert status == 200, body
    spent = json.loads(body)["usage"]["completion_tokens"]
    known = lambda: {deployment(gateway, "paid-1")["budget"]["spent_usd"] for gateway in twins.both}  # noqa: E731
    eventually(lambda: known() == {spent}, 5, f"both know of {spent} USD")
    asked = {"text": f"{uuid.uuid4()}", "cache": {"use-cache": True}}
    assert chat(one, "open", **asked)[0] == 200
    with OpenStream(one, "[[sim:long=3000]] [[sim:slow=50]]"):
        twins.redis.kill()
        twins.until_redis_is("disconnected")
        assert [metric(gateway, "switchyard_store_up") for gateway in twins.both] == [0, 0]
        # Everything goes on by what each knows.
        assert chat(two, "shaky")[1]["x-switchyard-total-attempts"] == "1"
        assert chat(two, "paid", SPENDING_KEY)[0] == 422
        assert chat(one, "open", **asked)[1]["x-litellm-cache-hit"].lower() == "true"
        status, _, body = chat(two, "paid", text="[[sim:say one]]")
        assert status == 200, body
        spent += json.loads(body)["usage"]["completion_tokens"]
        twins.redis.restart()
        twins.until_redis_is("connected")
        assert [metric(gateway, "switchyard_store_up") for gateway in twins.both] == [1, 1]
        eventually(lambda: known() == {spent}, 10, f"both know of {spent} USD, also of what was spent meanwhile")
        assert chat(one, "paid", SPENDING_KEY)[0] == 422
        with twins.redis.client() as client:
            hash_of = lambda: client.hgetall("switchyard:{state}:cooldowns")  # noqa: E731
            eventually(lambda: any("shaky-bad" in field for field in hash_of()), 10, "the cooldown is told again")
            gauges = [client.hvals(name) for name in client.scan_iter("*gauge*")]
            assert gauges == [["1"]], "the open stream holds its slot"


def test_slots_of_an_instance_that_died_are_free_after_ten_seconds(start):
    twins = start(general_settings={"global_max_parallel_requests": 2})
    one, two = twins.both
    twins.until_redis_is("connected")
    with OpenStream(one, "[[sim:long=9000]] [[sim:slow=50]]"), OpenStream(one, "[[sim:long=9000]] [[sim:slow=50]]"):
        assert chat(two, "open")[0] == 429
        one.send_signal(signal.SIGKILL)
        one.wait(10)
        died = time.monotonic()
        eventually(lambda: chat(two, "open")[0] == 200, 20, "the slots are free")
    print(f"\nslots are free after {time.monotonic() - died:.1f} s")


def test_what_ends_during_a_drain_is_told(start):
    twins = start()
    one, two = twins.both
    twins.until_redis_is("connected")
    twins.until_they_know_each_other()
    with OpenStream(one, "[[sim:long=60]] [[sim:slow=20]]", "paid") as stream:
        one.send_signal(signal.SIGTERM)
        text = stream.read()
    assert b"[DONE]" in text and one.wait(20) == 0, one.output[-2000:]
    tokens = int(re.findall(rb'"completion_tokens":(\d+)', text)[-1])
    spent = lambda: deployment(two, "paid-1")["budget"]["spent_usd"]  # noqa: E731
    eventually(lambda: spent() == tokens, 5, f"the other knows of {tokens} USD")


def test_fail_closed_refuses_what_is_limited_while_redis_is_away(start):
    redis = Redis()
    redis.kill()
    sections = {"general_settings": {"fail_closed_rate_limit_enforcement": True, "global_max_parallel_requests": None}}
    twins = start(redis, **sections)
    try:
        # It starts without Redis, and says so.
        twins.until_redis_is("disconnected")
        for gateway in twins.both:
            for model, key in [("limited", MASTER_KEY), ("open", LIMITED_KEY)]:
                status, headers, body = chat(gateway, model, key)
                assert status == 503 and json.loads(body)["error"]["type"] == "overloaded_error", body
                assert headers["retry-after"] == "1"
            assert chat(gateway, "open")[0] == 200
        assert twins.simulator.state()["calls_total"] == 2
        # A reload may open it.
        one, two = twins.both
        one.path.write_text(json.dumps(configuration(redis, twins.simulator)))
        status, _, body = one.get("/config/reload", method="POST")
        assert status == 200 and json.loads(body)["needs_restart"] == [], body
        assert [chat(gateway, "limited")[0] for gateway in twins.both] == [200, 503]
        redis.restart()
        twins.until_redis_is("connected")
        for model, key in [("limited", MASTER_KEY), ("open", LIMITED_KEY)]:
            answered = lambda: tally(twins.offer(2, model, key)) == {200: 2}  # noqa: B023, E731
            eventually(answered, 10, "limited calls are served again")
    finally:
        redis.kill()


def test_nothing_secret_is_in_redis_and_everything_expires(start):
    twins = start()
    twins.until_redis_is("connected")
    word = f"prompt-{uuid.uuid4()}"
    for gateway in twins.both:
        assert chat(gateway, "limited", LIMITED_KEY, text=word)[0] == 200
        assert chat(gateway, "paid", SPENDING_KEY, text=word)[0] in (200, 422)
    chat(twins.both[0], "shaky", text=word)
    twins.exchange()
    with twins.redis.client() as client:
        dump = {name: everything(client, name) for name in client.scan_iter()}
        assert len(dump) > 5 and all(name.startswith("switchyard:") for name in dump), dump
        kept_for_ever = [name for name in dump if client.ttl(name) == -1]
    assert not kept_for_ever
    text = json.dumps(dump)
    assert not [secret for secret in [*SECRETS, word] if secret in text], text


def everything(client, name: str):
    """What a key of Redis holds."""
    readers = {
        "string": lambda: client.get(name),
        "hash": lambda: client.hgetall(name),
        "zset": lambda: client.zrange(name, 0, -1, withscores=True),
        "set": lambda: sorted(client.smembers(name)),
        "list": lambda: client.lrange(name, 0, -1),
        "none": lambda: None,
    }
    return readers[client.type(name)]()


class OpenStream:
    """A stream whose first bytes are here; a context manager that hangs up."""

    def __init__(self, gateway: Gateway, text: str, model: str = "open"):
        body = {"model": model, "messages": [{"role": "user", "content": text}], "stream": True}
        body["stream_options"] = {"include_usage": True}
        data = json.dumps(body).encode()
        head = (
            f"POST {CHAT} HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {MASTER_KEY}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\nConnection: close\r\n\r\n"
        )
        self.connection = socket.create_connection(("127.0.0.1", gateway.port), timeout=30)
        self.connection.sendall(head.encode() + data)
        first = self.connection.recv(4096)
        assert first.startswith(b"HTTP/1.1 200 "), first

    def read(self) -> bytes:
        """Reads what is left, until the server closes."""
        text = b""
        while part := self.connection.recv(65536):
            text += part
        return text

    def close(self):
        """Hangs up."""
        self.connection.close()

    def __enter__(self) -> "OpenStream":
        return self

    def __exit__(self, *_):
        self.close()
