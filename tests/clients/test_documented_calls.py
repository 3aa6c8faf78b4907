"""Calls that people copy from the documentation of LiteLLM, Portkey and Obiguard, against the gateway.

Each test is the twin of one documented example: the same body and headers, sent by the client that the example uses or
as the bytes of its `curl`, with the simulated AWS behind.
"""

import base64
import json

import pytest
from openai import OpenAI
from pydantic import BaseModel

from conftest import configuration
from support.compare import read_events, reassemble
from support.fake_aws import FakeAws
from support.gateway import MASTER_KEY, Gateway, run
from test_openai_sdk import PDF, PNG

CHAT = "/v1/chat/completions"
HELLO = [{"role": "user", "content": "Hello, how are you?"}]
KEYS = {
    "aws_access_key_id": "os.environ/AWS_ACCESS_KEY_ID",
    "aws_secret_access_key": "os.environ/AWS_SECRET_ACCESS_KEY",
    "aws_region_name": "os.environ/AWS_REGION_NAME",
}
PROFILE = "arn:aws:bedrock:eu-central-1:000000000000:application-inference-profile/a0a0a0a0a0a0"

# LiteLLM's "Supported AWS Bedrock Models" that speak Converse.
SUPPORTED = [
    "bedrock/converse/openai.gpt-oss-20b-1:0",
    "bedrock/converse/openai.gpt-oss-120b-1:0",
    "bedrock/us.deepseek.r1-v1:0",
    "bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0",
    "bedrock/anthropic.claude-3-5-sonnet-20240620-v1:0",
    "bedrock/anthropic.claude-3-sonnet-20240229-v1:0",
    "bedrock/anthropic.claude-3-haiku-20240307-v1:0",
    "bedrock/anthropic.claude-3-opus-20240229-v1:0",
    "bedrock/anthropic.claude-v2:1",
    "bedrock/anthropic.claude-v2",
    "bedrock/anthropic.claude-instant-v1",
    "bedrock/meta.llama3-1-405b-instruct-v1:0",
    "bedrock/meta.llama3-1-70b-instruct-v1:0",
    "bedrock/meta.llama3-1-8b-instruct-v1:0",
    "bedrock/meta.llama3-70b-instruct-v1:0",
    "bedrock/meta.llama3-8b-instruct-v1:0",
    "bedrock/ai21.jamba-instruct-v1:0",
    "bedrock/moonshot.kimi-k2-thinking",
    "bedrock/us.anthropic.claude-3-7-sonnet-20250219-v1:0",
    "bedrock/anthropic.claude-3-7-sonnet-20250219-v1:0",
    "bedrock/anthropic.claude-sonnet-4-20250115-v1:0",
    "bedrock/converse/anthropic.claude-3-5-sonnet-20241022-v2:0",
    "bedrock/converse/anthropic.claude-3-sonnet-20240229-v1:0",
    "bedrock/us.anthropic.claude-3-haiku-20240307-v1:0",
    "bedrock/converse/us.amazon.nova-pro-v1:0",
    "bedrock/converse/qwen.qwen3-235b-a22b-2507-v1:0",
    "anthropic.claude-v2",
]
EXTRA = {
    "bedrock-claude-v1": {"model": "bedrock/anthropic.claude-instant-v1", **KEYS},
    "bedrock-claude-3-5-sonnet": {"model": "bedrock/anthropic.claude-3-5-sonnet-20240620-v1:0", **KEYS},
    "bedrock-claude": {
        "model": "bedrock/anthropic.claude-instant-v1",
        "user_continue_message": {"role": "user", "content": "Please continue"},
    },
    "with-temperature": {"model": "bedrock/anthropic.claude-instant-v1", "temperature": 0.2, "top_p": 0.5},
    "with-top-k": {"model": "bedrock/anthropic.claude-instant-v1", "top_k": 1},
    "with-guardrail": {
        "model": "bedrock/anthropic.claude-3-5-sonnet-20240620-v1:0",
        "guardrailConfig": {"guardrailIdentifier": "ff6ujrregl1q", "guardrailVersion": "DRAFT", "trace": "disabled"},
    },
    "with-metadata": {
        "model": "bedrock/anthropic.claude-3-5-sonnet-20240620-v1:0",
        "requestMetadata": {"cost_center": "engineering", "user_id": "user123"},
    },
    "provisioned": {"model": "bedrock/anthropic.claude-instant-v1", "model_id": "arn:aws:bedrock:us-west-2:000000000000:provisioned-model/p1"},  # fmt: skip
    "profile": {"model": "bedrock/anthropic.claude-3-5-sonnet-20240620-v1:0", "model_id": PROFILE},
    "profile-in-name": {"model": f"bedrock/{PROFILE}"},
    "role": {
        "model": "bedrock/anthropic.claude-instant-v1",
        "aws_role_name": "arn:aws:iam::000000000000:role/Enterprise/BedrockCrossAccountConsumer",
        "aws_session_name": "my-test-session",
    },
    "aws-profile": {"model": "bedrock/anthropic.claude-instant-v1", "aws_profile_name": "dev-profile"},
    "own-headers": {
        "model": "bedrock/anthropic.claude-instant-v1",
        "aws_bedrock_runtime_endpoint": "https://my-fake-endpoint.com",
        "extra_headers": {"key": "value"},
    },
    "callers-model-id": {
        "model": "bedrock/anthropic.claude-3-5-sonnet-20240620-v1:0",
        "configurable_clientside_auth_params": ["model_id"],
    },
    "api-key": {"model": "bedrock/anthropic.claude-3-sonnet-20240229-v1:0", "api_key": "ABSKsim-bedrock-api-key-0001"},
}  # fmt: skip


@pytest.fixture(scope="module")
def documented():
    """A gateway with the documented entries."""
    entries = [{"model_name": model, "litellm_params": {"model": model}} for model in SUPPORTED]
    entries += [{"model_name": name, "litellm_params": params} for name, params in EXTRA.items()]
    with Gateway(configuration(model_list=entries), simulate=True) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def client(documented):
    with OpenAI(base_url=documented.url, api_key=MASTER_KEY, max_retries=0) as client:
        yield client


def sent(gateway) -> dict:
    """The body of the last call that reached the simulated AWS."""
    return json.loads(gateway.simulator_calls(1)[0]["body"])


def create(client, model, messages=None, **members):
    """`litellm.completion(…)` as the OpenAI SDK says it."""
    known = {"stream", "temperature", "top_p", "max_tokens", "tools", "tool_choice", "reasoning_effort", "service_tier",
             "response_format", "extra_headers"}  # fmt: skip
    extra = {name: members.pop(name) for name in list(members) if name not in known}
    answer = client.chat.completions.create(model=model, messages=messages or HELLO, extra_body=extra, **members)
    if not members.get("stream"):
        assert answer.choices[0].message.content is not None
    return answer


# LiteLLM.


@pytest.mark.parametrize("model", SUPPORTED)
def test_supported_models(client, model):
    assert create(client, model).choices[0].message.content
    chunks = create(client, model, stream=True)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


def test_proxy_curl(documented):
    body = {"model": "bedrock-claude-v1", "messages": [{"role": "user", "content": "what llm are you"}]}
    assert documented.post("/chat/completions", body)[0] == 200


def test_langchain(client):
    messages = [
        {"role": "system", "content": "You are a helpful assistant that im using to make a test request to."},
        {"role": "user", "content": "test from litellm. tell me why it's amazing in 1 sentence"},
    ]
    create(client, "bedrock-claude-v1", messages, temperature=0.1)


def test_temperature_and_top_p(client, documented):
    create(client, "bedrock/anthropic.claude-3-sonnet-20240229-v1:0", temperature=0.7, top_p=1)
    assert sent(documented)["inferenceConfig"] == {"temperature": 0.7, "topP": 1}


def test_temperature_in_the_file_and_overridden(client, documented):
    create(client, "with-temperature")
    assert sent(documented)["inferenceConfig"] == {"temperature": 0.2, "topP": 0.5}
    create(client, "with-temperature", temperature=0.7)
    assert sent(documented)["inferenceConfig"] == {"temperature": 0.7, "topP": 0.5}


@pytest.mark.parametrize("model", ["with-top-k", "bedrock/anthropic.claude-3-sonnet-20240229-v1:0"])
def test_provider_specific_parameter(client, documented, model):
    create(client, model, **({} if model == "with-top-k" else {"top_k": 1}))
    assert sent(documented)["additionalModelRequestFields"] == {"top_k": 1}


def test_request_metadata(client, documented):
    metadata = {"cost_center": "engineering", "user_id": "user123"}
    create(client, "bedrock/anthropic.claude-3-5-sonnet-20240620-v1:0", requestMetadata=metadata)
    assert sent(documented)["requestMetadata"] == metadata
    create(client, "with-metadata")
    assert sent(documented)["requestMetadata"] == metadata


TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "get_current_weather",
            "description": "Get the current weather in a given location",
            "parameters": {
                "type": "object",
                "properties": {
                    "location": {"type": "string", "description": "The city and state, e.g. San Francisco, CA"},
                    "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
                },
                "required": ["location"],
            },
        },
    }
]


def test_function_calling(client):
    messages = [{"role": "user", "content": "What's the weather like in Boston today? [[sim:tool]]"}]
    model = "bedrock/anthropic.claude-3-sonnet-20240229-v1:0"
    answer = create(client, model, messages, tools=TOOLS, tool_choice="auto")
    call = answer.choices[0].message.tool_calls[0]
    assert call.function.name == "get_current_weather" and isinstance(call.function.arguments, str)


def test_vision(client):
    content = [
        {"type": "text", "text": "Whats in this image?"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
    ]
    create(client, "bedrock/anthropic.claude-3-sonnet-20240229-v1:0", [{"role": "user", "content": content}])


FRANCE = [{"role": "user", "content": "What is the capital of France?"}]


def test_reasoning_effort(client):
    answer = create(client, "bedrock/us.anthropic.claude-3-7-sonnet-20250219-v1:0", FRANCE, reasoning_effort="low")
    message = answer.choices[0].message
    assert message.reasoning_content
    assert set(message.thinking_blocks[0]) == {"type", "thinking", "signature"}


def test_thinking(client):
    thinking = {"type": "enabled", "budget_tokens": 1024}
    answer = create(client, "bedrock/us.anthropic.claude-3-7-sonnet-20250219-v1:0", FRANCE, thinking=thinking)
    assert answer.choices[0].message.reasoning_content


@pytest.mark.parametrize("where", ["header", "body"])
@pytest.mark.parametrize(
    ("model", "betas"),
    [
        ("bedrock/anthropic.claude-sonnet-4-20250115-v1:0", ["context-1m-2025-08-07"]),
        (
            "bedrock/converse/anthropic.claude-3-5-sonnet-20241022-v2:0",
            ["computer-use-2024-10-22", "context-1m-2025-08-07"],
        ),
    ],
)
def test_beta_features(client, documented, model, betas, where):
    headers = {"anthropic-beta": ",".join(betas)}
    if where == "header":
        create(client, model, max_tokens=100, extra_headers=headers)
    else:
        client.chat.completions.create(model=model, messages=HELLO, max_tokens=100, extra_body={"extra_headers": headers})
    fields = sent(documented)["additionalModelRequestFields"]
    assert set(betas) <= set(fields["anthropic_beta"])


def test_computer_use(client, documented):
    model = "bedrock/converse/anthropic.claude-3-5-sonnet-20241022-v2:0"
    tool = {"type": "computer_20241022", "name": "computer", "display_width_px": 1920, "display_height_px": 1080}
    headers = {"anthropic-beta": "context-1m-2025-08-07"}
    create(client, model, [{"role": "user", "content": "Take a screenshot"}], tools=[tool], extra_headers=headers)
    fields = sent(documented)["additionalModelRequestFields"]
    assert {"computer-use-2024-10-22", "context-1m-2025-08-07"} <= set(fields["anthropic_beta"])
    assert fields["tools"][0]["type"] == "computer_20241022"


class CalendarEvent(BaseModel):
    name: str
    date: str
    participants: list[str]


class EventsList(BaseModel):
    events: list[CalendarEvent]


def test_structured_output(client):
    answer = client.chat.completions.parse(
        model="bedrock/anthropic.claude-3-7-sonnet-20250219-v1:0",
        response_format=EventsList,
        messages=[
            {"role": "system", "content": "You are a helpful assistant designed to output JSON."},
            {"role": "user", "content": "Who won the world series in 2020?"},
        ],
    )
    assert isinstance(answer.choices[0].message.parsed, EventsList)


def test_json_mode(client):
    answer = create(
        client,
        "bedrock/anthropic.claude-3-7-sonnet-20250219-v1:0",
        [{"role": "user", "content": "Who won the world series in 2020? Answer in JSON."}],
        response_format={"type": "json_object"},
    )
    assert answer.choices[0].finish_reason == "stop"


def test_latency_optimized(client, documented):
    model = "bedrock/anthropic.claude-3-7-sonnet-20250219-v1:0"
    create(client, model, FRANCE, performanceConfig={"latency": "optimized"})
    assert sent(documented)["performanceConfig"] == {"latency": "optimized"}


@pytest.mark.parametrize(("tier", "native"), [("priority", "priority"), ("flex", "flex"), ("default", "default"), ("auto", "default")])  # fmt: skip
def test_service_tier(client, documented, tier, native):
    create(client, "bedrock/converse/anthropic.claude-3-sonnet-20240229-v1:0", service_tier=tier)
    assert sent(documented)["serviceTier"] == {"type": native}


def test_native_service_tier(client, documented):
    create(client, "bedrock/converse/qwen.qwen3-235b-a22b-2507-v1:0", FRANCE, serviceTier={"type": "priority"})
    assert sent(documented)["serviceTier"] == {"type": "priority"}


def test_guardrails(client, documented):
    guardrail = {"guardrailIdentifier": "ff6ujrregl1q", "guardrailVersion": "DRAFT", "trace": "disabled"}
    messages = [{"role": "user", "content": "where do i buy coffee from? "}]
    create(client, "anthropic.claude-v2", messages, max_tokens=10, guardrailConfig=guardrail)
    assert sent(documented)["guardrailConfig"] == guardrail
    create(client, "with-guardrail", messages)
    assert sent(documented)["guardrailConfig"] == guardrail


def test_guarded_text(client, documented):
    content = [
        {"type": "text", "text": "What is the main topic of this legal document?"},
        {"type": "guarded_text", "text": "This document contains sensitive legal information."},
    ]
    guardrail = {"guardrailIdentifier": "gr-abc123", "guardrailVersion": "DRAFT"}
    create(client, "anthropic.claude-v2", [{"role": "user", "content": content}], guardrailConfig=guardrail)
    blocks = sent(documented)["messages"][0]["content"]
    assert {"guardContent": {"text": {"text": "This document contains sensitive legal information."}}} in blocks
    assert {"text": "What is the main topic of this legal document?"} in blocks


def test_prefill(client, documented):
    messages = [
        {"role": "user", "content": "How do you say 'Hello' in German? Return your answer as a JSON object."},
        {"role": "assistant", "content": "{"},
    ]
    create(client, "bedrock/anthropic.claude-v2", messages)
    assert sent(documented)["messages"][-1] == {"role": "assistant", "content": [{"text": "{"}]}


def test_system(client, documented):
    messages = [
        {"role": "system", "content": "You are a snarky assistant."},
        {"role": "user", "content": "How do I boil water?"},
    ]
    create(client, "bedrock/anthropic.claude-v2:1", messages)
    assert sent(documented)["system"] == [{"text": "You are a snarky assistant."}]


def test_user_continue_message(documented):
    body = {"model": "bedrock-claude", "messages": [{"role": "assistant", "content": "Hey, how's it going?"}]}
    assert documented.post("/chat/completions", body)[0] == 200
    assert sent(documented)["messages"][0]["role"] == "user"


def test_modify_params():
    entries = [{"model_name": "bedrock-claude", "litellm_params": {"model": "bedrock/anthropic.claude-instant-v1"}}]
    with Gateway(configuration(model_list=entries, litellm_settings={"modify_params": True}), simulate=True) as gateway:
        body = {"model": "bedrock-claude", "messages": [{"role": "assistant", "content": "Hey, how's it going?"}]}
        assert gateway.post("/chat/completions", body)[0] == 200


@pytest.mark.parametrize(
    "part",
    [
        {"type": "file", "file": {"file_data": f"data:application/pdf;base64,{PDF}"}},
        {"type": "image_url", "image_url": f"data:application/pdf;base64,{PDF}"},
        {"type": "image_url", "image_url": {"url": f"data:application/pdf;base64,{PDF}"}},
    ],
    ids=["file", "image_url", "url"],
)
def test_documents(client, documented, part):
    content = [{"type": "text", "text": "What's this file about?"}, part]
    create(client, "bedrock/anthropic.claude-3-5-sonnet-20240620-v1:0", [{"role": "user", "content": content}])
    assert any("document" in block for block in sent(documented)["messages"][0]["content"])


@pytest.mark.parametrize("kind", ["pdf", "csv", "doc", "docx", "xls", "xlsx", "html", "txt", "md"])
def test_document_types(client, documented, kind):
    mime = {
        "pdf": "application/pdf",
        "csv": "text/csv",
        "doc": "application/msword",
        "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "xls": "application/vnd.ms-excel",
        "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "html": "text/html",
        "txt": "text/plain",
        "md": "text/markdown",
    }[kind]
    data = base64.b64encode(b"some text").decode()
    content = [
        {"type": "text", "text": "What's this file about?"},
        {"type": "file", "file": {"file_data": f"data:{mime};base64,{data}"}},
    ]
    create(client, "bedrock/anthropic.claude-3-5-sonnet-20240620-v1:0", [{"role": "user", "content": content}])
    blocks = sent(documented)["messages"][0]["content"]
    assert [block["document"]["format"] for block in blocks if "document" in block] == [kind]


@pytest.mark.parametrize(
    ("model", "path"),
    [
        ("provisioned", "arn%3Aaws%3Abedrock%3Aus-west-2%3A000000000000%3Aprovisioned-model%2Fp1"),
        ("profile", "arn%3Aaws%3Abedrock%3Aeu-central-1%3A000000000000%3Aapplication-inference-profile%2Fa0a0a0a0a0a0"),
        ("profile-in-name", "arn%3Aaws%3Abedrock%3Aeu-central-1%3A000000000000%3Aapplication-inference-profile%2Fa0a0a0a0a0a0"),
    ],
)  # fmt: skip
def test_ids_in_the_url(client, documented, model, path):
    create(client, model)
    assert documented.simulator_calls(1)[0]["path"].endswith(f"/model/{path}/converse")


def test_model_id_in_the_request(client, documented):
    create(client, "callers-model-id", model_id=PROFILE)
    assert "application-inference-profile" in documented.simulator_calls(1)[0]["path"]


@pytest.mark.parametrize("model", ["role", "aws-profile", "api-key", "own-headers"])
def test_credentials_in_the_file(client, documented, model):
    create(client, model, max_tokens=10, temperature=0.1)
    call = documented.simulator_calls(1)[0]
    if model == "own-headers":
        assert call["headers"]["key"] == "value"
    if model == "api-key":
        assert call["headers"]["authorization"].startswith("Bearer ")


def test_credentials_in_the_request(client, documented):
    create(
        client,
        "bedrock/anthropic.claude-instant-v1",
        aws_access_key_id="AKIASIMALT00000000002",
        aws_secret_access_key="sim/Alt+Secret/00000000000000000000002",
        aws_region_name="us-east-2",
    )
    call = documented.simulator_calls(1)[0]
    assert "Credential=AKIASIMALT00000000002/" in call["headers"]["authorization"]
    assert "/us-east-2/bedrock/" in call["headers"]["authorization"]
    assert "AKIASIMALT" not in call["body"]


def test_bearer_token_from_the_environment():
    entries = [{"model_name": "m", "litellm_params": {"model": "bedrock/anthropic.claude-3-sonnet-20240229-v1:0"}}]
    with FakeAws() as aws:
        environment = aws.environment() | {"AWS_BEARER_TOKEN_BEDROCK": "ABSKsim-bedrock-api-key-0002"}
        with Gateway(configuration(model_list=entries), env=environment) as gateway:
            assert gateway.post(CHAT, {"model": "m", "messages": HELLO})[0] == 200
        assert aws.take()[0].header("authorization") == "Bearer ABSKsim-bedrock-api-key-0002"


FILES = {
    "proxy usage": """
model_list:
  - model_name: bedrock-claude-3-5-sonnet
    litellm_params:
      model: bedrock/anthropic.claude-3-5-sonnet-20240620-v1:0
      aws_access_key_id: os.environ/AWS_ACCESS_KEY_ID
      aws_secret_access_key: os.environ/AWS_SECRET_ACCESS_KEY
      aws_region_name: os.environ/AWS_REGION_NAME
""",
    "custom names": """
model_list:
  - model_name: bedrock-claude-v1
    litellm_params:
      model: bedrock/anthropic.claude-instant-v1
      aws_access_key_id: os.environ/CUSTOM_AWS_ACCESS_KEY_ID
      aws_secret_access_key: os.environ/CUSTOM_AWS_SECRET_ACCESS_KEY
      aws_region_name: os.environ/CUSTOM_AWS_REGION_NAME
""",
    "parameters": """
model_list:
  - model_name: bedrock-claude-v1
    litellm_params:
      model: bedrock/anthropic.claude-instant-v1
      temperature: 0.7
      top_p: 1
      top_k: 1 # 👈 PROVIDER-SPECIFIC PARAM
""",
    "continue": """
model_list:
  - model_name: "bedrock-claude"
    litellm_params:
      model: "bedrock/anthropic.claude-instant-v1"
      user_continue_message: {"role": "user", "content": "Please continue"}
""",
    "modify": """
model_list:
  - model_name: "bedrock-claude"
    litellm_params:
      model: "bedrock/anthropic.claude-instant-v1"

litellm_settings:
   modify_params: true
""",
    "guardrail": """
model_list:
  - model_name: bedrock-claude-v1
    litellm_params:
      model: bedrock/anthropic.claude-instant-v1
      aws_access_key_id: os.environ/CUSTOM_AWS_ACCESS_KEY_ID
      aws_secret_access_key: os.environ/CUSTOM_AWS_SECRET_ACCESS_KEY
      aws_region_name: os.environ/CUSTOM_AWS_REGION_NAME
      guardrailConfig: {
        "guardrailIdentifier": "ff6ujrregl1q",
        "guardrailVersion": "DRAFT",
        "trace": "disabled",
      }
""",
    "pass-through": """
model_list:
  - model_name: my-bedrock-model
    litellm_params:
      model: bedrock/us.anthropic.claude-3-5-sonnet-20240620-v1:0
      aws_region_name: us-west-2
      custom_llm_provider: bedrock
""",
}


@pytest.mark.parametrize("name", FILES)
def test_documented_files_load(tmp_path, name):
    file = tmp_path / "config.yaml"
    file.write_text(FILES[name])
    result = run("check", str(file), "--json")
    assert result.returncode == 0, result.stdout
    assert json.loads(result.stdout)["ok"] is True
    with Gateway(file, simulate=True) as gateway:
        model = json.loads(gateway.get("/v1/models")[2])["data"][0]["id"]
        assert gateway.post("/chat/completions", {"model": model, "messages": HELLO})[0] == 200


# Portkey and Obiguard.

CLAUDE = "us.anthropic.claude-3-7-sonnet-20250219-v1:0"
FLIGHT = (
    "when does the flight from new york to bengaluru land tomorrow, what time, what is its flight number, and what is "
    "its baggage belt?"
)


def portkey(prefix: str, credentials: str, **more) -> dict:
    """The headers of a `curl` in these docs; the gateway's key stands where theirs did."""
    headers = {"Authorization": None, f"x-{prefix}-api-key": MASTER_KEY, f"x-{prefix}-provider": "bedrock"}
    if credentials == "aws":
        headers |= {
            f"x-{prefix}-aws-access-key-id": "AKIASIMALT00000000002",
            f"x-{prefix}-aws-secret-access-key": "sim/Alt+Secret/00000000000000000000002",
            f"x-{prefix}-aws-region": "us-east-1",
        }
    elif credentials == "x-api-key":
        headers["x-api-key"] = "ABSKsim-bedrock-api-key-0001"
    else:
        headers["Authorization"] = "Bearer ABSKsim-bedrock-api-key-0001"
    return headers | {f"x-{prefix}-{name.replace('_', '-')}": value for name, value in more.items()}


STYLES = [
    pytest.param(prefix, credentials, id=f"{prefix}-{credentials}")
    for prefix in ("portkey", "obiguard")
    for credentials in ("aws", "x-api-key", "authorization")
]


@pytest.mark.parametrize(("prefix", "credentials"), STYLES)
def test_headers_bring_the_credentials(documented, prefix, credentials):
    body = {"model": CLAUDE, "max_tokens": 250, "messages": [{"role": "user", "content": "Say this is a test"}]}
    status, _, answer = documented.post(CHAT, body, portkey(prefix, credentials))
    assert status == 200, answer
    assert json.loads(answer)["model"] == CLAUDE


@pytest.mark.parametrize("token", [None, "a-session-token"])
def test_keys_that_the_simulator_cannot_know_will_do(documented, token):
    headers = portkey("portkey", "aws", aws_access_key_id="AKIAIOSFODNN7EXAMPLE", aws_session_token=token)
    status, _, answer = documented.post(CHAT, {"model": CLAUDE, "messages": HELLO}, headers)
    assert status == 200, answer


@pytest.fixture(scope="module")
def direct():
    """A gateway whose AWS checks what signs: `--simulate` signs with the simulator's keys where it does not know ours."""
    with FakeAws() as aws, Gateway(configuration(), env=aws.environment()) as gateway:
        yield gateway, aws


@pytest.mark.parametrize(("prefix", "credentials"), STYLES)
def test_credentials_of_the_headers_are_used(direct, prefix, credentials):
    gateway, aws = direct
    aws.take()
    status, _, answer = gateway.post(CHAT, {"model": CLAUDE, "messages": HELLO}, portkey(prefix, credentials))
    assert status == 200, answer
    (call,) = aws.take()
    if credentials == "aws":
        signed = aws.verify(call)
        assert (signed.access_key, signed.region) == ("AKIASIMALT00000000002", "us-east-1")
    else:
        assert call.header("authorization") == "Bearer ABSKsim-bedrock-api-key-0001"
    assert not any(name.lower().startswith(("x-portkey", "x-obiguard")) for name, _ in call.headers)


@pytest.mark.parametrize(("prefix", "credentials"), STYLES)
@pytest.mark.parametrize("spelling", ["strict_openai_compliance", "strict_open_ai_compliance"])
def test_content_blocks_in_a_stream(documented, prefix, credentials, spelling):
    body = {
        "model": CLAUDE,
        "max_tokens": 3000,
        "thinking": {"type": "enabled", "budget_tokens": 2030},
        "stream": True,
        "messages": [{"role": "user", "content": [{"type": "text", "text": FLIGHT}]}],
    }
    status, _, answer = documented.post(CHAT, body, portkey(prefix, credentials, **{spelling: "false"}))
    assert status == 200, answer
    events, problems = read_events(answer)
    assert not problems and events[-1] == "[DONE]"
    facts = reassemble([event for event in events if isinstance(event, dict)])
    kinds = [set(block) - {"type"} for block in facts["content_blocks"]]
    assert kinds == [{"thinking", "signature"}, {"text"}]
    assert facts["usage"]["total_tokens"] > 0


def test_content_blocks_whole_and_in_the_next_turn(documented):
    headers = portkey("portkey", "aws", strict_openai_compliance="false")
    question = {"role": "user", "content": [{"type": "text", "text": FLIGHT}]}
    body = {"model": CLAUDE, "max_tokens": 3000, "thinking": {"type": "enabled", "budget_tokens": 2030}}
    status, _, answer = documented.post(CHAT, body | {"messages": [question]}, headers)
    assert status == 200, answer
    blocks = json.loads(answer)["choices"][0]["message"]["content_blocks"]
    assert [block["type"] for block in blocks] == ["thinking", "text"]
    turn = [question, {"role": "assistant", "content": blocks}, {"role": "user", "content": "how about to chennai?"}]
    status, _, answer = documented.post(CHAT, body | {"messages": turn}, headers)
    assert status == 200, answer
    replayed = sent(documented)["messages"][1]["content"][0]
    assert replayed["reasoningContent"]["reasoningText"]["signature"] == blocks[0]["signature"]


def test_content_blocks_are_absent_otherwise(documented):
    body = {"model": CLAUDE, "messages": HELLO}
    _, _, answer = documented.post(CHAT, body, portkey("portkey", "aws"))
    assert "content_blocks" not in json.loads(answer)["choices"][0]["message"]


def test_portkey_headers_by_the_openai_sdk(documented):
    headers = {
        "x-obiguard-provider": "bedrock",
        "x-obiguard-api-key": MASTER_KEY,
        "x-obiguard-strict-openai-compliance": "false",
    }
    base_url = f"{documented.url}/v1"
    with OpenAI(api_key="ABSKsim-bedrock-api-key-0001", base_url=base_url, default_headers=headers) as client:
        response = client.chat.completions.create(
            model=CLAUDE,
            max_tokens=3000,
            stream=True,
            messages=[{"role": "user", "content": FLIGHT}],
            extra_body={"thinking": {"type": "enabled", "budget_tokens": 2030}},
        )
        blocks = [block for chunk in response for choice in chunk.choices for block in getattr(choice.delta, "content_blocks", None) or []]  # fmt: skip
    assert blocks


@pytest.mark.parametrize("style", ["camel", "snake"])
def test_credentials_in_the_config_header(direct, style):
    gateway, aws = direct
    aws.take()
    names = {
        "camel": ("awsAccessKeyId", "awsSecretAccessKey", "awsRegion"),
        "snake": ("aws_access_key_id", "aws_secret_access_key", "aws_region"),
    }[style]
    values = ("AKIASIMALT00000000002", "sim/Alt+Secret/00000000000000000000002", "us-east-1")
    config = {"provider": "bedrock", **dict(zip(names, values))}
    headers = {"Authorization": None, "x-portkey-api-key": MASTER_KEY, "x-portkey-config": json.dumps(config)}
    status, _, answer = gateway.post(CHAT, {"model": CLAUDE, "messages": HELLO}, headers)
    assert status == 200, answer
    assert aws.verify(aws.take()[0]).access_key == "AKIASIMALT00000000002"


def test_without_credentials_of_its_own_a_bedrock_id_is_refused(documented):
    headers = {"Authorization": None, "x-portkey-api-key": MASTER_KEY, "x-portkey-provider": "bedrock"}
    status, _, answer = documented.post(CHAT, {"model": CLAUDE, "messages": HELLO}, headers)
    assert status == 401 and json.loads(answer)["error"]["message"]


def test_a_wrong_gateway_key_in_their_header_is_refused(documented):
    headers = portkey("portkey", "aws") | {"x-portkey-api-key": "sk-wrong"}
    assert documented.post(CHAT, {"model": CLAUDE, "messages": HELLO}, headers)[0] == 401


@pytest.mark.parametrize("member", ["guardrailConfig", "guardrail_config"])
def test_portkey_guardrails(documented, member):
    guardrail = {"guardrailIdentifier": "your-guardrail-id", "guardrailVersion": "DRAFT", "trace": "enabled"}
    body = {"model": CLAUDE, "max_tokens": 250, "messages": [{"role": "user", "content": "Say this is a test"}]}
    status, _, answer = documented.post(CHAT, body | {member: guardrail}, portkey("portkey", "aws"))
    assert status == 200, answer
    assert sent(documented)["guardrailConfig"] == guardrail


def test_a_triggered_guardrail_says_so_when_not_strict(documented):
    guardrail = {"guardrailIdentifier": "your-guardrail-id", "guardrailVersion": "DRAFT", "trace": "enabled"}
    messages = [{"role": "user", "content": "[[sim:guardrail]] Say this is a test"}]
    body = {"model": CLAUDE, "messages": messages, "guardrailConfig": guardrail}
    headers = portkey("portkey", "aws", strict_openai_compliance="false")
    _, _, answer = documented.post(CHAT, body, headers)
    assert json.loads(answer)["choices"][0]["finish_reason"] == "guardrail_intervened"
    assert json.loads(answer)["trace"]


def test_s3_images(documented):
    image = {"url": "s3://your-bucket/path/to/image.png", "mime_type": "image/png", "bucketOwner": "123456789012"}
    content = [{"type": "text", "text": "What's in this image?"}, {"type": "image_url", "image_url": image}]
    body = {"model": CLAUDE, "max_tokens": 1024, "messages": [{"role": "user", "content": content}]}
    status, _, answer = documented.post(CHAT, body, portkey("portkey", "aws"))
    assert status == 200, answer
    location = {"uri": "s3://your-bucket/path/to/image.png", "bucketOwner": "123456789012"}
    block = {"image": {"format": "png", "source": {"s3Location": location}}}
    assert block in sent(documented)["messages"][0]["content"]


def test_additional_fields(documented):
    body = {
        "model": CLAUDE,
        "messages": HELLO,
        "additionalModelRequestFields": {"frequency_penalty": 0.4},
        "additionalModelResponseFieldPaths": ["/stop_sequence"],
    }
    status, _, answer = documented.post(CHAT, body, portkey("portkey", "aws"))
    assert status == 200, answer
    assert sent(documented)["additionalModelRequestFields"] == {"frequency_penalty": 0.4}
    assert sent(documented)["additionalModelResponseFieldPaths"] == ["/stop_sequence"]


def test_portkey_reasoning_effort(documented):
    body = {
        "model": "us.anthropic.claude-sonnet-4-6-20250929-v1:0",
        "max_tokens": 3000,
        "reasoning_effort": "medium",
        "messages": [{"role": "user", "content": "Explain quantum computing"}],
    }
    status, _, answer = documented.post(CHAT, body, portkey("portkey", "aws"))
    assert status == 200, answer
    assert sent(documented)["additionalModelRequestFields"]["thinking"]["type"] == "adaptive"


def test_obiguard_first_call(documented):
    body = {"model": "anthropic.claude-v2:1", "max_tokens": 250, "messages": [{"role": "user", "content": "Say this is a test"}]}  # fmt: skip
    status, _, answer = documented.post(CHAT, body, portkey("obiguard", "aws"))
    assert status == 200, answer


@pytest.mark.parametrize("prefix", ["portkey", "obiguard"])
def test_session_tokens_travel(documented, direct, prefix):
    headers = portkey(prefix, "aws", aws_session_token="a-session-token")
    body = {"model": CLAUDE, "messages": [{"role": "user", "content": "Hello!"}]}
    assert documented.post(CHAT, body, headers)[0] == 200
    gateway, aws = direct
    aws.take()
    gateway.post(CHAT, body, headers)
    assert aws.take()[0].header("x-amz-security-token") == "a-session-token"


# Portkey's named credentials and configurations.

NAMED = {
    "credential_list": [
        {
            "credential_name": "bedrock-prod",
            "credential_values": {
                "aws_access_key_id": "AKIASIMMAIN0000000001",
                "aws_secret_access_key": "sim/Main+Secret/0000000000000000000001",
                "aws_region_name": "us-east-1",
            },
        }
    ],
    "gateway_configs": {"pc-retry": {"retry": {"attempts": 1}, "virtual_key": "bedrock-prod"}},
}


@pytest.fixture(scope="module")
def named():
    with Gateway(configuration(**NAMED), simulate=True) as gateway:
        yield gateway


@pytest.mark.parametrize("prefix", ["portkey", "obiguard"])
@pytest.mark.parametrize(
    ("model", "headers"),
    [
        (f"@bedrock-prod/{CLAUDE}", {}),
        (CLAUDE, {"provider": "@bedrock-prod"}),
        (CLAUDE, {"provider": "@bedrock-prod", "aws-session-token": ""}),
        (CLAUDE, {"virtual-key": "bedrock-prod"}),
        (CLAUDE, {"config": "pc-retry"}),
        (CLAUDE, {"config": json.dumps({"virtual_key": "bedrock-prod"})}),
        (CLAUDE, {"config": json.dumps({"strategy": {"mode": "loadbalance"}, "targets": [{"provider": "@bedrock-prod", "weight": 0.7}, {"virtualKey": "bedrock-prod"}]})}),  # fmt: skip
    ],
)
def test_credentials_by_name(named, prefix, model, headers):
    sent = {"Authorization": None, f"x-{prefix}-api-key": MASTER_KEY}
    sent |= {f"x-{prefix}-{name}": value for name, value in headers.items()}
    status, told, answer = named.post(CHAT, {"model": model, "messages": HELLO}, sent)
    assert status == 200, answer
    assert json.loads(answer)["model"] == model
    without = {name: value for name, value in sent.items() if not name.endswith("-api-key")}
    assert named.post(CHAT, {"model": model, "messages": HELLO}, without)[0] == 401
