"""What the log says of a call, one line each."""

import json

from support.gateway import Gateway, eventually

KEY = "sk-one-and-long-enough"


def _entry(name: str) -> dict:
    model = "bedrock/converse/us.anthropic.claude-sonnet-4-5-20250929-v1:0"
    return {"model_name": name, "litellm_params": {"model": model, "aws_region_name": "us-west-2"}}


def test_a_call_that_the_key_may_not_make_is_logged_with_its_group():
    config = {
        "model_list": [_entry("mine"), _entry("theirs")],
        "router_settings": {"model_group_alias": {"other": "theirs"}},
        "virtual_keys": [{"key": KEY, "models": ["mine"]}],
    }
    with Gateway(config, "--log-format", "json", simulate=True) as gateway:

        def logged(model: str) -> dict:
            call_id = f"call-of-{model}"
            headers = {"Authorization": f"Bearer {KEY}", "x-litellm-call-id": call_id}
            body = {"model": model, "messages": [{"role": "user", "content": "hi"}]}
            status, _, _ = gateway.post("/v1/chat/completions", body, headers)
            assert status == (200 if model == "mine" else 403)
            line = eventually(
                lambda: next((line for line in gateway.lines if call_id in line), None), 5, f"the line of {call_id}"
            )
            line = json.loads(line)
            return line.get("fields", line)

        # An unknown name is anybody's text, and is not repeated.
        groups = {"mine": "mine", "theirs": "theirs", "other": "other", "nobody": ""}
        assert {model: logged(model)["model_group"] for model in groups} == groups
