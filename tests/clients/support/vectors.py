"""Signature vectors by botocore, for the Rust tests: `python -m support.vectors` writes `tests/vectors/sigv4.json`."""

import calendar
import json
import time
from pathlib import Path

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

FILE = Path(__file__).resolve().parents[2] / "vectors" / "sigv4.json"
DATE = "20260102T030405Z"
BODY = '{"messages":[{"role":"user","content":[{"text":"hi"}]}]}'
BASE = "https://bedrock-runtime.us-east-1.amazonaws.com"
ARN = "arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Aapplication-inference-profile%2Fabc123"
TOKEN = "FwoGZXIvYXdzEJr//////////wEaD+session/token=="

# Name: URL and what differs from a plain POST of BODY.
CASES = {
    "encoded colon": (f"{BASE}/model/anthropic.claude-3-haiku-20240307-v1%3A0/converse", {}),
    "raw colon": (f"{BASE}/model/anthropic.claude-3-haiku-20240307-v1:0/invoke", {}),
    "arn": (f"{BASE}/model/{ARN}/converse", {}),
    "raw arn": (f"{BASE}/model/arn:aws:bedrock:us-east-1:1:imported-model%2Fabc/invoke", {}),
    "session token": (f"{BASE}/model/amazon.nova-lite-v1%3A0/converse", {"token": TOKEN}),
    "unicode body": (f"{BASE}/model/a.b/converse", {"body": "Grüße, 世界 🌍 \u2028 é"}),
    "empty body": (f"{BASE}/model/a.b/converse", {"body": ""}),
    "query": (f"{BASE}/inference-profiles?type=SYSTEM_DEFINED&maxResults=10", {"method": "GET", "body": ""}),
    "unsorted query": (f"{BASE}/x?b=2&a=1&B=3&a=0", {"method": "GET", "body": ""}),
    "encoded query": (f"{BASE}/x?next=a%2Fb%3D%3D&name=%C3%A9%20x", {"method": "GET", "body": ""}),
    "query without values": (f"{BASE}/x?b=&a", {"method": "GET", "body": ""}),
    "query and arn": (f"{BASE}/model/{ARN}/converse?trace=1", {}),
    "no path": (f"{BASE}", {"method": "GET", "body": ""}),
    "path with spaces": (f"{BASE}/a%20b/~x_y-z.%C3%A9/model/m/converse", {}),
    "port": ("http://127.0.0.1:8080/model/m/converse", {}),
    "default port": ("https://example.com:443/model/m/converse", {}),
    "guardrail headers": (
        f"{BASE}/model/m/invoke",
        {"headers": [["x-amzn-bedrock-guardrailidentifier", "gr1"], ["x-amzn-bedrock-trace", "ENABLED"]]},
    ),
    "spaces in a header": (f"{BASE}/model/m/converse", {"headers": [["x-amz-meta-a", "  a   b  "]]}),
    "another service": ("https://sts.eu-west-1.amazonaws.com/", {"service": "sts", "region": "eu-west-1"}),
    "another region": ("https://bedrock-runtime.us-gov-west-1.amazonaws.com/model/m/converse", {"region": "us-gov-west-1"}),
}  # fmt: skip


def vector(name: str) -> dict:
    """What goes in, and the authorization that botocore computes for it."""
    url, changes = CASES[name]
    given = {
        "name": name,
        "method": "POST",
        "url": url,
        "headers": [],
        "body": BODY,
        "service": "bedrock",
        "region": "us-east-1",
        "unix_seconds": calendar.timegm(time.strptime(DATE, "%Y%m%dT%H%M%SZ")),
        "access_key": "AKIDEXAMPLE",
        "secret": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
        "token": None,
    } | changes
    request = AWSRequest(method=given["method"], url=url, data=given["body"].encode())
    request.headers["Content-Type"] = "application/json"
    request.headers["X-Amz-Date"] = DATE
    if given["token"]:
        request.headers["X-Amz-Security-Token"] = given["token"]
    for header, value in given["headers"]:
        request.headers.add_header(header, value)
    request.context["timestamp"] = DATE
    credentials = Credentials(given["access_key"], given["secret"], given["token"])
    signer = SigV4Auth(credentials, given["service"], given["region"])
    canonical = signer.canonical_request(request)
    signature = signer.signature(signer.string_to_sign(request, canonical), request)
    names = signer.signed_headers(signer.headers_to_sign(request))
    scope = f"{given['access_key']}/{DATE[:8]}/{given['region']}/{given['service']}/aws4_request"
    authorization = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders={names}, Signature={signature}"
    return given | {"canonical_request": canonical, "authorization": authorization}


def text() -> str:
    """The whole file."""
    return json.dumps([vector(name) for name in CASES], ensure_ascii=False, indent=1) + "\n"


if __name__ == "__main__":
    FILE.write_text(text())
