"""Checks AWS signatures with botocore's own signer, which shares no code with the gateway."""

import hashlib
import hmac
import re
from dataclasses import dataclass

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/]+)/(?P<date>\d{8})/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request, ?"
    r"SignedHeaders=(?P<headers>[^,]+), ?Signature=(?P<signature>[0-9a-f]{64})$"
)


class SignatureProblem(Exception):
    """A signature that AWS would refuse, with the reason."""


@dataclass
class Signed:
    """A signature that holds."""

    access_key: str
    region: str
    service: str
    signed_headers: list[str]
    canonical_request: str


def verify(method: str, url: str, headers: list[tuple[str, str]], body: bytes, secrets: dict) -> Signed:
    """Recomputes the signature of a request as it came over the wire.

    `secrets` maps an access key to `(secret, session token or None)`. Raises `SignatureProblem` if anything is off.
    """
    given = {}
    for name, value in headers:
        given.setdefault(name.lower(), []).append(value)
    authorization = ",".join(given.get("authorization", []))
    match = _AUTHORIZATION.match(authorization)
    if not match:
        raise SignatureProblem(f"not a SigV4 authorization: {authorization[:60]!r}")
    access_key = match["key"]
    if access_key not in secrets:
        raise SignatureProblem(f"unknown access key {access_key}")
    secret, token = secrets[access_key]
    if token is not None and given.get("x-amz-security-token") != [token]:
        raise SignatureProblem("the session token is missing or another one")
    if token is None and "x-amz-security-token" in given:
        raise SignatureProblem("a session token was sent with a long-lived key")
    date = "".join(given.get("x-amz-date", []))
    if not date.startswith(match["date"]):
        raise SignatureProblem(f"x-amz-date {date!r} is not of the scope's day {match['date']}")
    signed_names = match["headers"].split(";")
    for required in ("host", "x-amz-date"):
        if required not in signed_names:
            raise SignatureProblem(f"{required} is not signed")
    for name in given:
        if name.startswith(("x-amz-", "x-amzn-")) and name not in signed_names and name != "x-amzn-trace-id":
            raise SignatureProblem(f"{name} is sent but not signed")

    request = AWSRequest(method=method, url=url, data=body)
    for name in signed_names:
        if name not in given:
            raise SignatureProblem(f"{name} is signed but not sent")
        for value in given[name]:
            request.headers.add_header(name, value)
    declared = given.get("x-amz-content-sha256")
    digest = hashlib.sha256(body).hexdigest()
    if declared and declared != [digest]:
        raise SignatureProblem("x-amz-content-sha256 is not the body's")
    request.context["timestamp"] = date
    signer = SigV4Auth(Credentials(access_key, secret, token), match["service"], match["region"])
    canonical = signer.canonical_request(request)
    expected = signer.signature(signer.string_to_sign(request, canonical), request)
    if not hmac.compare_digest(expected, match["signature"]):
        raise SignatureProblem(f"the signature does not match; botocore's canonical request is:\n{canonical}")
    return Signed(access_key, match["region"], match["service"], signed_names, canonical)
