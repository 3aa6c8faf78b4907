"""Start, hang-ups, many streams at once, and the end of the process."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import time

import pytest

from conftest import configuration
from support.fake_aws import MAIN_KEY
from support.gateway import MASTER_KEY, Gateway, Simulator, eventually, run

CHAT = "/v1/chat/completions"


def request(text: str, **members) -> bytes:
    """A streaming chat call as bytes."""
    body = {"model": "claude", "messages": [{"role": "user", "content": text}], "stream": True, **members}
    data = json.dumps(body).encode()
    head = (
        f"POST {CHAT} HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {MASTER_KEY}\r\nConnection: close\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
    )
    return head.encode() + data


@pytest.fixture
def own():
    """A gateway that the test may end."""
    with Gateway(configuration(), simulate=True) as gateway:
        yield gateway


def simulated(simulator: Simulator) -> dict[str, str]:
    """The environment of a gateway whose AWS is a simulator of its own."""
    return {
        "AWS_BEDROCK_RUNTIME_ENDPOINT": simulator.url,
        "AWS_ACCESS_KEY_ID": MAIN_KEY[0],
        "AWS_SECRET_ACCESS_KEY": MAIN_KEY[1],
        "AWS_REGION": "us-west-2",
    }


def started(gateway, count: int):
    """Waits until so many streams are open at the simulator."""
    eventually(lambda: gateway.simulator_state()["open_streams"] >= count, 30, f"{count} open streams")


def test_a_client_that_hangs_up_ends_the_call_upstream(own):
    connection = socket.create_connection(("127.0.0.1", own.port), timeout=10)
    connection.sendall(request("[[sim:long=5000]] [[sim:slow=20]]"))
    assert connection.recv(1024)
    started(own, 1)
    connection.close()
    begun = time.monotonic()
    eventually(lambda: own.simulator_state()["open_streams"] == 0, 1, "the simulator sees the hang-up")
    print(f"\nhang-up seen after {(time.monotonic() - begun) * 1000:.0f} ms")
    assert own.simulator_state()["cancelled_streams"] == 1
    assert own.simulator_calls(1)[0]["outcome"] == "cancelled"


def test_a_client_that_hangs_up_before_the_first_byte_ends_the_call_too(own):
    connection = socket.create_connection(("127.0.0.1", own.port), timeout=10)
    connection.sendall(request("[[sim:stall]]", stream=False))
    eventually(lambda: own.simulator_state()["calls_total"] == 1, 10, "the call arrives")
    connection.close()
    eventually(lambda: own.simulator_calls(1)[0]["outcome"] == "cancelled", 1, "the simulator sees the hang-up")


async def stream(port: int, text: str, opened: asyncio.Event | None = None) -> bytes:
    """Reads one stream to its end."""
    for attempt in range(5):
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            break
        except ConnectionError:
            if attempt == 4:
                raise
            await asyncio.sleep(0.1)
    try:
        writer.write(request(text))
        received = await reader.read(1)
        if opened:
            opened.set()
        while part := await reader.read(65536):
            received += part
        return received
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


def whole(answer: bytes) -> bool:
    """Whether a stream came with everything that ends a good one."""
    return answer.startswith(b"HTTP/1.1 200 ") and b"data: [DONE]\n\n" in answer and b'"finish_reason"' in answer


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_a_signal_during_100_streams_finishes_them_all(own, number):
    async def main():
        opened = [asyncio.Event() for _ in range(100)]
        streams = [asyncio.create_task(stream(own.port, "[[sim:long=100]] [[sim:slow=20]]", event)) for event in opened]
        await asyncio.gather(*(event.wait() for event in opened))
        own.send_signal(number)
        return await asyncio.gather(*streams)

    answers = asyncio.run(main())
    assert sum(map(whole, answers)) == 100, next(answer for answer in answers if not whole(answer))[-500:]
    assert own.wait(20) == 0, own.output[-2000:]


def test_while_it_drains_nothing_new_is_taken(own):
    async def main():
        opened = asyncio.Event()
        running = asyncio.create_task(stream(own.port, "[[sim:long=200]] [[sim:slow=20]]", opened))
        await opened.wait()
        # A connection that was open before the signal may still ask.
        reader, writer = await asyncio.open_connection("127.0.0.1", own.port)
        writer.write(b"GET /health/liveliness HTTP/1.1\r\nHost: test\r\n\r\n")
        assert b" 200 " in await reader.readline()
        own.send_signal(signal.SIGTERM)
        refused = await asyncio.to_thread(eventually, lambda: is_refused(own.port), 5, "new calls are refused")
        writer.close()
        return refused, await running

    refused, answer = asyncio.run(main())
    assert refused and whole(answer)
    assert own.wait(20) == 0


def is_refused(port: int) -> bool:
    """Whether a new call is turned away: no connection, or 503."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(request("late"))
            answer = connection.recv(4096)
    except OSError:
        return True
    return answer == b"" or (answer.startswith(b"HTTP/1.1 503 ") and b"retry-after" in answer.lower())


def test_a_second_signal_ends_at_once(own):
    async def main():
        opened = asyncio.Event()
        running = asyncio.create_task(stream(own.port, "[[sim:long=5000]] [[sim:slow=50]]", opened))
        await opened.wait()
        own.send_signal(signal.SIGTERM)
        await asyncio.to_thread(eventually, lambda: is_refused(own.port), 5, "the drain begins")
        own.send_signal(signal.SIGTERM)
        return await running

    answer = asyncio.run(main())
    assert own.wait(5) == 1, own.output[-2000:]
    assert b'data: {"error"' in answer and b"[DONE]" not in answer, answer[-500:]


def test_the_drain_is_bounded():
    config = configuration(general_settings={"drain_timeout_seconds": 1})
    with Gateway(config, simulate=True) as gateway:

        async def main():
            opened = asyncio.Event()
            running = asyncio.create_task(stream(gateway.port, "[[sim:long=5000]] [[sim:slow=50]]", opened))
            await opened.wait()
            gateway.send_signal(signal.SIGTERM)
            return await running

        answer = asyncio.run(main())
        assert gateway.wait(10) == 1
        assert b'data: {"error"' in answer and b"[DONE]" not in answer


def test_an_idle_process_ends_at_once(own):
    with socket.create_connection(("127.0.0.1", own.port)):
        own.send_signal(signal.SIGTERM)
        assert own.wait(10) == 0


# Reload.


def models(gateway) -> list[str]:
    """The names that clients may ask for."""
    return [model["id"] for model in json.loads(gateway.get("/v1/models")[2])["data"]]


def with_another_model(name: str) -> str:
    """The configuration with one entry more."""
    config = configuration()
    more = {**config["model_list"][0], "model_name": name}
    return json.dumps({**config, "model_list": [*config["model_list"], more]})


def test_a_changed_file_takes_effect_by_itself_and_a_bad_one_does_not(own):
    assert "second" not in models(own)
    own.path.write_text(with_another_model("second"))
    eventually(lambda: "second" in models(own), 20, "the new model")
    # The simulator serves it too: nothing may go out.
    answer = own.post(CHAT, {"model": "second", "messages": [{"role": "user", "content": "hi"}]})
    assert answer[0] == 200, answer
    own.path.write_text("model_list: [")
    eventually(lambda: "configuration rejected" in own.output, 20, "a line that says why")
    assert "second" in models(own)
    other = own.path.with_suffix(".new")
    other.write_text(with_another_model("third"))
    os.replace(other, own.path)
    eventually(lambda: "third" in models(own) and "second" not in models(own), 20, "the mended file")


def test_sighup_reads_the_file_again_and_ends_nothing(own):
    async def main():
        opened = asyncio.Event()
        running = asyncio.create_task(stream(own.port, "[[sim:long=100]] [[sim:slow=20]]", opened))
        await opened.wait()
        own.send_signal(signal.SIGHUP)
        said = lambda: "configuration reloaded" in own.output  # noqa: E731
        await asyncio.to_thread(eventually, said, 20, "a line of the reload")
        return await running

    assert whole(asyncio.run(main()))
    line = next(line for line in own.output.splitlines() if "configuration reloaded" in line)
    assert "signal" in line and "unchanged" in line, line


STREAMS = 1000


def test_a_thousand_streams_at_once():
    async def round_of_streams(gateway):
        opened = [asyncio.Event() for _ in range(STREAMS)]
        texts = [f"[[sim:long=40]] [[sim:slow=50]] {number}" for number in range(STREAMS)]
        tasks = [asyncio.create_task(stream(gateway.port, *arguments)) for arguments in zip(texts, opened)]
        await asyncio.gather(*(event.wait() for event in opened))
        during = gateway.rss_kib()
        return during, await asyncio.gather(*tasks)

    # The simulator runs apart, so that the figures are those of the gateway.
    with Simulator() as simulator, Gateway(configuration(), env=simulated(simulator)) as gateway:
        idle = gateway.rss_kib()
        figures = []
        for _ in range(4):
            during, answers = asyncio.run(round_of_streams(gateway))
            failed = [answer for answer in answers if not whole(answer)]
            assert not failed, f"{len(failed)} failed, one of them: {failed[0][-400:]}"
            eventually(lambda: simulator.state()["open_streams"] == 0, 10, "all streams are closed")
            figures.append((during, gateway.rss_kib(), len(os.listdir(f"/proc/{gateway.process.pid}/fd"))))
    print(f"\nRSS in MiB: idle {idle / 1024:.0f}; with {STREAMS} streams, and after: ", end="")
    print(", ".join(f"{during / 1024:.0f} and {after / 1024:.0f} ({files} files)" for during, after, files in figures))
    # An allocator keeps pages and a pool keeps connections, so one figure says little. A leak is what makes the last
    # round need more than the first.
    first, last = figures[0], figures[-1]
    assert last[0] <= first[0] * 1.15 and last[1] <= first[0] * 1.15, figures
    assert last[2] <= STREAMS + 100, figures


def test_an_upstream_that_goes_silent_is_cut():
    config = configuration(router_settings={"stream_idle_timeout": 1})
    with Gateway(config, simulate=True) as gateway:
        answer = asyncio.run(stream(gateway.port, "[[sim:long=50]] [[sim:stall-mid]]"))
        assert b'data: {"error"' in answer and b"[DONE]" not in answer
        eventually(lambda: gateway.simulator_state()["open_streams"] == 0, 5, "the call upstream is ended")


# Start.


def test_an_open_server_says_so():
    config = configuration()
    del config["general_settings"]
    with Gateway(config, simulate=True) as gateway:
        assert gateway.post(CHAT, {"model": "claude", "messages": [{"role": "user", "content": "hi"}]})[0] == 200
        eventually(lambda: "no master key" in gateway.output, 5, "a warning that the server is open")


@pytest.mark.parametrize("key", [None, "sk-1234"])
def test_an_open_server_is_not_shown_to_the_world(tmp_path, key):
    config = configuration()
    config["general_settings"] = {"master_key": key} if key else {}
    file = tmp_path / "config.yaml"
    file.write_text(json.dumps(config))
    result = run("--config", str(file), "--simulate", "--port", "0", "--host", "0.0.0.0", timeout=20)
    assert result.returncode == 1, result
    assert "0.0.0.0" in result.stderr + result.stdout
    checked = run("check", "--config", str(file), "--host", "0.0.0.0")
    assert checked.returncode == 1 and "0.0.0.0" in checked.stdout, checked
    assert run("check", "--config", str(file)).returncode == 0


def test_check_passes_a_good_file_and_prints_all_problems_of_a_bad_one(tmp_path):
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text(json.dumps(configuration()))
    bad.write_text(
        "model_list:\n"
        "  - model_name: a\n    litellm_params:\n      model: bedrock/amazon.nova-lite-v1:0\n      rpm: many\n"
        "  - litellm_params:\n      model: bedrock/amazon.nova-lite-v1:0\n"
        "router_settings:\n  routing_strategy: least-bsy\n"
    )
    passed = run("check", str(good), "--json")
    assert passed.returncode == 0 and json.loads(passed.stdout)["ok"] is True
    failed = run("check", str(bad), "--json")
    assert failed.returncode == 1
    report = json.loads(failed.stdout)
    lines = {finding["line"] for finding in report["findings"] if finding["severity"] == "error"}
    assert report["ok"] is False and {5, 6, 9} <= lines, report
    assert any("least-busy" in (finding["hint"] or "") for finding in report["findings"])
    assert run("--config", str(bad), "--port", "0", timeout=20).returncode == 1


def test_schema_is_a_json_schema():
    schema = json.loads(run("schema").stdout)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema" and "model_list" in schema["properties"]


def test_explain(tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text(json.dumps(configuration()))
    found = run("explain", "--config", str(file), "--model", "claude", "--json")
    assert found.returncode == 0 and "us.anthropic.claude-sonnet-4-5-20250929-v1%3A0" in found.stdout
    missing = run("explain", "--config", str(file), "--model", "cloude")
    assert missing.returncode == 1 and "claude" in missing.stdout + missing.stderr


def test_version_and_wrong_usage():
    assert "0.1.0" in run("--version").stdout
    assert run("--no-such-flag").returncode == 2


def test_the_simulator_runs_alone():
    with Simulator() as simulator:
        assert simulator.state()["calls_total"] == 0
