"""What coding agents really sent (`agents/recorded/`): how it is kept, and the gateways that are asked it again."""

import contextlib
import json
import os
from pathlib import Path

from conftest import configuration, entries
from support import referee
from support.fake_aws import FakeAws
from support.gateway import REPOSITORY, Gateway

FOLDER = REPOSITORY / "tests" / "clients" / "agents" / "recorded"


def lines(file: Path) -> list[dict]:
    """The requests of a recording."""
    return [json.loads(line) for line in file.read_text().splitlines()]


@contextlib.contextmanager
def kept(file: Path):
    """Collects what is sent; with RECORD=1 it becomes the recording."""
    sent: list[dict] = []
    yield sent
    if os.environ.get("RECORD"):
        file.parent.mkdir(exist_ok=True)
        file.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in sent))


@contextlib.contextmanager
def simulated(models: dict[str, str]):
    """A gateway with these models in front of the simulated AWS."""
    with Gateway(configuration(model_list=entries(models)), simulate=True) as gateway:
        yield gateway
        assert "panicked" not in gateway.output, gateway.output[-4000:]


@contextlib.contextmanager
def refereed(models: dict[str, str]):
    """A gateway with these models, and the AWS that it calls."""
    with FakeAws() as aws, Gateway(configuration(model_list=entries(models)), env=aws.environment()) as gateway:
        yield gateway, aws


def ask(gateway: Gateway, recorded: dict, model: str, **members):
    """Sends a recorded request, of another model."""
    return gateway.post(recorded["path"], recorded["body"] | {"model": model} | members, recorded["headers"])


def is_taken_by_botocore(gateway: Gateway, aws: FakeAws, recorded: dict, model: str):
    """Fails where botocore would refuse what becomes of a recorded request, or would sign it otherwise."""
    aws.take()
    status, _, body = ask(gateway, recorded, model, stream=False)
    assert status == 200, body.decode()
    (call,) = aws.take()
    assert not referee.problems_of(call)
    aws.verify(call)
