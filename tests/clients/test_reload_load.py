"""Reload while clients call: no request fails, no stream is cut, and the next pick goes by the new file."""

import asyncio
import json
import os
import signal
import time
from dataclasses import dataclass, field

import pytest

from support.fake_aws import MAIN_KEY
from support.gateway import MASTER_KEY, Gateway, Simulator, eventually

CHAT = "/v1/chat/completions"
MODEL = "bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0"
CONNECTIONS = 20
REQUESTS_PER_SECOND = 500
SECONDS = 3
STREAMS = 20


def entry(group: str, ident: str, url: str, **params) -> dict:
    """An entry of `model_list` that calls the simulator at `url`."""
    return {
        "model_name": group,
        "litellm_params": {"model": MODEL, "aws_bedrock_runtime_endpoint": url, **params},
        "model_info": {"id": ident},
    }


def file_of(url: str, chosen: str = "a", version: int = 0, further: tuple[str, ...] = ()) -> dict:
    """A file in which the group `m` goes to one of two deployments, `chosen`; `further` groups have one each."""
    return {
        "model_list": [
            entry("m", "a", url, weight=int(chosen == "a")),
            entry("m", "b", url, weight=int(chosen == "b")),
            entry("shaky", "shaky-bad", f"{url}/fault/throttle", weight=1, rpm=1000 + version),
            entry("shaky", "shaky-good", url, weight=0),
            *(entry(group, f"{group}-1", url) for group in further),
        ],
        "router_settings": {"num_retries": 1, "cooldown_time": 60, "allowed_fails": version},
        "general_settings": {"master_key": MASTER_KEY},
    }


@pytest.fixture
def simulator():
    """The simulated AWS, which no reload touches."""
    with Simulator() as simulator:
        yield simulator


@pytest.fixture
def gateway(simulator):
    """A gateway whose file the test changes."""
    environment = {"AWS_ACCESS_KEY_ID": MAIN_KEY[0], "AWS_SECRET_ACCESS_KEY": MAIN_KEY[1], "AWS_REGION": "us-west-2"}
    with Gateway(file_of(simulator.url, further=("gone",)), env=environment) as gateway:
        yield gateway
        assert gateway.alive() and "panicked" not in gateway.output, gateway.output[-4000:]


def replace(gateway: Gateway, config: dict):
    """Puts a file in the place of the one before, whole."""
    other = gateway.path.with_suffix(".new")
    other.write_text(json.dumps(config))
    os.replace(other, gateway.path)


def reload(gateway: Gateway) -> dict:
    """Asks for a reload; returns what changed, when it is in effect."""
    status, _, body = gateway.get("/config/reload", method="POST")
    assert status == 200, body
    return json.loads(body)


def request(model: str, text: str = "hi", stream: bool = False) -> bytes:
    """A chat call as bytes, on a connection that stays."""
    data = json.dumps({"model": model, "messages": [{"role": "user", "content": text}], "stream": stream}).encode()
    head = (
        f"POST {CHAT} HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {MASTER_KEY}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
    )
    return head.encode() + data


async def answer_of(reader: asyncio.StreamReader) -> tuple[int, dict[str, str], bytes]:
    """Reads one answer to its end: status, headers and body."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
    if "content-length" in headers:
        body = await reader.readexactly(int(headers["content-length"]))
    else:
        body = b""
        while size := int(await reader.readline(), 16):
            body += (await reader.readexactly(size + 2))[:-2]
        await reader.readline()
    return int(head[0].split()[1]), headers, body


@dataclass
class Seen:
    """What callers saw, with times of the event loop."""

    failed: list = field(default_factory=list)
    # Begun, ended, who served it.
    served: list[tuple[float, float, str]] = field(default_factory=list)
    # From when a deployment was chosen, until the file changed again.
    chosen: list[tuple[float, float, str]] = field(default_factory=list)


async def call_on_and_on(gateway: Gateway, seen: Seen, place: int, until: float):
    """Sends by the clock on one connection."""
    loop = asyncio.get_running_loop()
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    data = request("m")
    due = loop.time() + place / REQUESTS_PER_SECOND
    while due < until:
        await asyncio.sleep(max(due - loop.time(), 0))
        due += CONNECTIONS / REQUESTS_PER_SECOND
        begun = loop.time()
        writer.write(data)
        status, headers, body = await answer_of(reader)
        if status != 200 or not body.endswith(b"}") or b'"finish_reason":"stop"' not in body:
            seen.failed.append((status, body[:300]))
        seen.served.append((begun, loop.time(), headers.get("x-litellm-model-id", "")))
    writer.close()


async def stream(gateway: Gateway, model: str, opened: asyncio.Event | None = None) -> bool:
    """Reads one slow stream; says whether it came whole."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(request(model, "[[sim:long=100]] [[sim:slow=25]]", stream=True))
    # The head leaves with the first content.
    head = await reader.readuntil(b"\r\n\r\n")
    if opened:
        opened.set()
    body = await reader.readuntil(b"\r\n0\r\n\r\n")
    writer.close()
    ended = b"data: [DONE]\n\n" in body and b'"finish_reason":"stop"' in body and b'"error"' not in body
    return head.startswith(b"HTTP/1.1 200 ") and ended


async def keep_reloading(gateway: Gateway, seen: Seen, url: str, until: float) -> int:
    """Changes the file again and again, and has it read in all three ways in turn; returns how often."""
    loop = asyncio.get_running_loop()
    version, since = 0, None
    while loop.time() < until:
        version += 1
        chosen = "ab"[version % 2]
        if since:
            seen.chosen.append((since, loop.time(), "ab"[(version - 1) % 2]))
        replace(gateway, file_of(url, chosen, version))
        way = version % 3
        if way == 0:
            gateway.send_signal(signal.SIGHUP)
        if way == 1:
            report = await asyncio.to_thread(reload, gateway)
            # The watcher may have been first.
            assert report["result"] in ("applied", "unchanged"), report
        else:
            in_force = lambda: f'"generation":{version + 1},' in state(gateway)  # noqa: B023, E731
            await asyncio.to_thread(eventually, in_force, 20, f"version {version} is in force")
        since = loop.time()
        # The calls of a while go by it.
        await asyncio.sleep(0.1)
    return version


def state(gateway: Gateway) -> str:
    """What the router knows, as it is written."""
    return gateway.get("/router/state")[2].decode()


def test_no_call_notices_reloads(gateway, simulator):
    async def main():
        loop = asyncio.get_running_loop()
        seen = Seen()
        until = loop.time() + SECONDS
        streams = [asyncio.create_task(stream(gateway, "m")) for _ in range(STREAMS)]
        calls = [call_on_and_on(gateway, seen, place, until) for place in range(CONNECTIONS)]
        *_, reloads = await asyncio.gather(*calls, keep_reloading(gateway, seen, simulator.url, until))
        return seen, reloads, await asyncio.gather(*streams)

    begun = time.monotonic()
    seen, reloads, streams = asyncio.run(main())
    print(f"\n{len(seen.served)} calls and {reloads} reloads in {time.monotonic() - begun:.1f} s")
    assert not seen.failed, f"{len(seen.failed)} of {len(seen.served)}: {seen.failed[0]}"
    assert streams == [True] * STREAMS
    assert reloads > 5 and len(seen.served) > 100
    wrong = [
        call
        for call in seen.served
        for since, end, chosen in seen.chosen
        if since <= call[0] and call[1] <= end and call[2] != chosen
    ]
    assert not wrong, f"{len(wrong)} calls were served by what the file no longer chose"
    assert {ident for _, _, ident in seen.served} == {"a", "b"}


def test_a_deployment_that_is_removed_finishes_what_it_serves(gateway, simulator):
    async def main():
        opened = asyncio.Event()
        running = asyncio.create_task(stream(gateway, "gone", opened))
        await opened.wait()
        replace(gateway, file_of(simulator.url))
        report = await asyncio.to_thread(reload, gateway)
        assert report["removed"] == [{"id": "gone-1", "group": "gone"}] or report["result"] == "unchanged", report
        assert "gone-1" not in state(gateway)
        body = {"model": "gone", "messages": [{"role": "user", "content": "hi"}]}
        refused = await asyncio.to_thread(gateway.post, CHAT, body)
        return refused, await running

    refused, whole = asyncio.run(main())
    assert refused[0] == 400 and b"gone" in refused[2], refused
    assert whole


def test_a_cooldown_survives_a_reload(gateway, simulator):
    def cooldown():
        groups = json.loads(state(gateway))["groups"]
        return next(known["cooldown"] for group in groups for known in group["deployments"] if known["id"] == "shaky-bad")

    body = {"model": "shaky", "messages": [{"role": "user", "content": "hi"}]}
    status, headers, _ = gateway.post(CHAT, body)
    assert (status, headers["x-switchyard-total-attempts"]) == (200, "2")
    before = cooldown()
    replace(gateway, file_of(simulator.url, "b", version=7))
    report = reload(gateway)
    assert report["generation"] == 2, report
    after = cooldown()
    assert (after["step"], after["reason"]) == (before["step"], before["reason"])
    assert before["remaining_ms"] - 20_000 < after["remaining_ms"] <= before["remaining_ms"]
    status, headers, _ = gateway.post(CHAT, body)
    assert (status, headers["x-litellm-model-id"], headers["x-switchyard-total-attempts"]) == (200, "shaky-good", "1")
