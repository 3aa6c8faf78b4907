"""Recorded exchanges: what a client sends, what AWS must receive and answers, what the client must see.

`tests/conformance/*.jsonl` holds them in the form of `Exchange`. A recording made elsewhere, in the form
`request`/`deployment`/`upstream`/`expect`, is read too; `python -m support.exchange RECORDING FOLDER` turns the
exchanges of one that this gateway can play into files of ours.
"""

import json
import os
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path

CHAT_OPERATIONS = ("Converse", "ConverseStream", "InvokeModel", "InvokeModelWithResponseStream")
# What is played: the endpoint, and the operations of AWS that serve it.
PLAYED = {
    "/chat/completions": CHAT_OPERATIONS,
    "/completions": CHAT_OPERATIONS,
    "/messages": CHAT_OPERATIONS,
    "/messages/count_tokens": ("CountTokens",),
    "/embeddings": ("InvokeModel",),
    "/images/generations": ("InvokeModel",),
    "/images/edits": ("InvokeModel",),
    "/rerank": ("Rerank",),
}
FOLDER = Path(__file__).resolve().parents[2] / "conformance"


@dataclass
class Exchange:
    """One exchange. The fields are those of a line in `tests/conformance`, described in its README."""

    name: str
    area: str
    client: dict
    streamed: bool = False
    gateway: str = "default"
    entry: dict | None = None
    aws: list[dict] | None = None
    aws_match: str = "exact"
    sees: dict = field(default_factory=dict)
    sees_match: str = "exact"
    alternatives: list[dict] = field(default_factory=list)
    source: dict | None = None

    @property
    def id(self) -> str:
        """A name that tells the streamed twin apart."""
        return f"{self.name}[{'stream' if self.streamed else 'whole'}]"

    @property
    def endpoint(self) -> str:
        """Which endpoint the client asks, in its shortest spelling."""
        return self.client["path"].split("?")[0].removeprefix("/v1")

    def line(self) -> str:
        """The exchange as one line of a file; members with their default are left out."""
        defaults = asdict(Exchange("", "", {}))
        members = {name: value for name, value in asdict(self).items() if value != defaults.get(name)}
        return json.dumps(members, ensure_ascii=False, separators=(",", ":"))


def load() -> list[Exchange]:
    """Reads the repository's exchanges, or those of the file that `SWITCHYARD_CORPUS` names."""
    other = os.environ.get("SWITCHYARD_CORPUS")
    files = [Path(other)] if other else sorted(FOLDER.glob("*.jsonl"))
    exchanges = [exchange for file in files for exchange in read(file)]
    return [exchange for exchange in exchanges if is_playable(exchange)]


def read(file: Path) -> list[Exchange]:
    """Reads a file in either form."""
    exchanges = []
    for number, text in enumerate(file.read_text().splitlines(), 1):
        if not text.strip():
            continue
        line = json.loads(text)
        try:
            exchanges.append(Exchange(**line) if "client" in line else _from_recording(line))
        except (KeyError, TypeError) as error:
            raise ValueError(f"{file.name}:{number}: {error!r}") from error
    return exchanges


def is_playable(exchange: Exchange) -> bool:
    """Whether the exchange is about what the gateway does today."""
    served_by = PLAYED.get(exchange.endpoint)
    if served_by is None:
        return False
    operations = [call.get("operation") for call in exchange.aws or []]
    # None: refused before anything was sent, or refused by AWS for its credentials.
    return all(operation is None or operation in served_by for operation in operations)


def _from_recording(line: dict) -> Exchange:
    request, expect = line["request"], dict(line["expect"])
    return Exchange(
        name=line["id"],
        area=line["tags"][0],
        client={name: request[name] for name in ("method", "path", "headers", "body") if request.get(name)},
        streamed=line["mode"] == "stream",
        gateway=line["profile"],
        entry=line["deployment"],
        aws=None if line["upstream"] is None else [_call(call) for call in line["upstream"]],
        aws_match=line.get("match", "exact"),
        sees_match=expect.pop("match", "exact"),
        sees=_sees(expect),
        alternatives=[_alternative(other) for other in line.get("also_accepted") or []],
        source=line.get("reference"),
    )


def _call(call: dict) -> dict:
    result = {"operation": call.get("operation"), "path": call["path"], "signed": call.get("auth")}
    result |= {name: call[name] for name in ("headers", "body") if call.get(name)}
    if "aws_reply" in call:
        result["answer"] = call["aws_reply"]
    return result


def _sees(expect: dict) -> dict:
    if isinstance(expect.get("error"), dict):
        expect["error"] = {name: value for name, value in expect["error"].items() if name != "shape"}
    expect.pop("stream", None)
    return expect


def _alternative(other: dict) -> dict:
    result = {}
    if other.get("upstream") is not None:
        result["aws"] = [_call(call) for call in other["upstream"]]
    if "expect" in other:
        result["sees"] = _sees(dict(other["expect"]))
    if "status" in other:
        result["sees"] = {"status": other["status"]}
    return result


def main(recording: str, folder: str):
    """Writes the playable exchanges of a recording, one file per area."""
    by_area: dict[str, list[Exchange]] = {}
    for exchange in filter(is_playable, read(Path(recording))):
        by_area.setdefault(exchange.area, []).append(exchange)
    for area, exchanges in sorted(by_area.items()):
        file = Path(folder) / f"{area}.jsonl"
        file.write_text("".join(exchange.line() + "\n" for exchange in exchanges))
        print(f"{file}: {len(exchanges)}")


if __name__ == "__main__":
    main(*sys.argv[1:])
