"""More calls that people copy from documentation: Messages, embeddings, images, rerank, imported models, videos.

Each test is the twin of one documented example, like those in `test_documented_calls.py`.
"""

import base64
import json
import re
import subprocess

import anthropic
import pytest
from openai import OpenAI

from conftest import configuration
from support.gateway import MASTER_KEY, REPOSITORY, Gateway, clean_environment
from test_documented_calls import create, sent
from test_node import FOLDER, NODE
from test_openai_sdk import PNG

CLAUDE = "us.anthropic.claude-3-7-sonnet-20250219-v1:0"
HELLO = [{"role": "user", "content": "Hello, Claude"}]
IMPORTED = "arn:aws:bedrock:us-east-1:123456789012:imported-model/r4c4kewx2s0n"
DOCUMENTED = [
    "bedrock/amazon.titan-embed-text-v1",
    "bedrock/amazon.titan-embed-text-v2:0",
    "bedrock/amazon.titan-embed-image-v1",
    "bedrock/cohere.embed-english-v3",
    "bedrock/cohere.embed-multilingual-v3",
    "bedrock/stability.stable-diffusion-xl-v0",
    "bedrock/stability.stable-diffusion-xl-v1",
    "bedrock/us.twelvelabs.pegasus-1-2-v1:0",
    "bedrock/eu.twelvelabs.pegasus-1-2-v1:0",
    "bedrock/arn:aws:bedrock:us-west-2::foundation-model/amazon.rerank-v1:0",
    f"bedrock/deepseek_r1/{IMPORTED}",
    f"bedrock/llama/{IMPORTED}",
    f"bedrock/qwen3/{IMPORTED}",
    f"bedrock/qwen2/{IMPORTED}",
    f"bedrock/openai/{IMPORTED}",
    "bedrock/invoke/moonshot.kimi-k2-thinking",
]
NAMED = [
    {
        "credential_name": "your-bedrock-provider",
        "credential_values": {
            "aws_access_key_id": "AKIASIMMAIN0000000001",
            "aws_secret_access_key": "sim/Main+Secret/0000000000000000000001",
            "aws_region_name": "us-east-1",
        },
    }
]


@pytest.fixture(scope="module")
def documented():
    entries = [{"model_name": model, "litellm_params": {"model": model}} for model in DOCUMENTED]
    with Gateway(configuration(model_list=entries, credential_list=NAMED), simulate=True) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def client(documented):
    with OpenAI(base_url=documented.url, api_key=MASTER_KEY, max_retries=0) as client:
        yield client


# Portkey's route for Messages.


@pytest.mark.parametrize("prefix", ["portkey", "obiguard"])
@pytest.mark.parametrize("path", ["/v1/messages", "/v1/v1/messages"])
def test_messages_by_headers(documented, prefix, path):
    headers = {
        "Authorization": None,
        f"x-{prefix}-provider": "@your-bedrock-provider",
        f"x-{prefix}-api-key": MASTER_KEY,
    }
    status, _, body = documented.post(path, {"model": CLAUDE, "max_tokens": 250, "messages": HELLO}, headers)
    assert status == 200, body
    assert json.loads(body)["content"][0]["text"] and json.loads(body)["model"] == CLAUDE


def test_messages_by_anthropics_sdk_for_python(documented):
    with anthropic.Anthropic(
        api_key="dummy",  # the provider is named in front of the model
        default_headers={"x-portkey-api-key": MASTER_KEY},
        base_url=documented.url,
    ) as client:
        message = client.messages.create(
            model=f"@your-bedrock-provider/{CLAUDE}", max_tokens=250, messages=[{"role": "user", "content": "Hello, Claude"}]
        )
    assert message.content[0].text


def test_messages_by_anthropics_sdk_for_node(documented, tmp_path):
    script = f"""
    import Anthropic from '@anthropic-ai/sdk'
    const anthropic = new Anthropic({{
      apiKey: 'dummy',
      baseURL: '{documented.url}/v1',
      defaultHeaders: {{ 'x-portkey-api-key': '{MASTER_KEY}' }},
    }})
    const message = await anthropic.messages.create({{
      model: '@your-bedrock-provider/{CLAUDE}',
      max_tokens: 1024,
      messages: [{{ role: 'user', content: 'Hello, Claude' }}],
    }})
    console.log(message.content[0].text)
    """
    command = [NODE, "--input-type=module", "--eval", script]
    result = subprocess.run(
        command, cwd=FOLDER, env=clean_environment(str(tmp_path)), capture_output=True, text=True, timeout=60
    )
    assert result.returncode == 0 and result.stdout.strip(), result.stderr


def test_every_twin_that_the_documents_name_exists():
    named = set(re.findall(r"`(test_\w+|\w+\.yaml)`", (REPOSITORY / "docs" / "compatibility.md").read_text()))
    tests = (REPOSITORY / "tests" / "clients").glob("test_*.py")
    found = {name for file in tests for name in re.findall(r"^def (test_\w+)", file.read_text(), re.MULTILINE)}
    found |= {file.name for file in (REPOSITORY / "examples" / "configs" / "seeds").glob("*.yaml")}
    assert len(named) > 40 and not named - found - {"config.yaml"}


# LiteLLM's embeddings.


@pytest.mark.parametrize("model", [model for model in DOCUMENTED if "embed" in model])
def test_supported_embedding_models(client, model):
    answer = client.embeddings.create(model=model, input=["good morning from litellm"])
    assert answer.data[0].embedding and answer.model == model


def test_titan_v2_encodings(client, documented):
    asked = {"model": "bedrock/amazon.titan-embed-text-v2:0", "input": ["good morning from litellm"]}
    floats = client.embeddings.create(encoding_format="float", **asked).data[0].embedding
    assert all(isinstance(value, float) for value in floats)
    encoded = client.embeddings.create(encoding_format="base64", **asked).data[0].embedding
    assert len(base64.b64decode(encoded)) == 4 * len(floats)
    client.embeddings.create(dimensions=256, **asked)
    assert sent(documented)["dimensions"] == 256


def test_titan_multimodal(client, documented):
    client.embeddings.create(model="bedrock/amazon.titan-embed-image-v1", input=[f"data:image/png;base64,{PNG}"])
    assert sent(documented)["inputImage"] == PNG


# LiteLLM's images and rerank.


@pytest.mark.parametrize("version", ["v0", "v1"])
def test_image_generation(client, documented, version):
    model = f"bedrock/stability.stable-diffusion-xl-{version}"
    assert client.images.generate(model=model, prompt="A cute baby sea otter").data[0].b64_json
    client.images.generate(model=model, prompt="A cute baby sea otter", size="128x512", extra_body={"seed": 30})
    body = sent(documented)
    assert (body["width"], body["height"], body["seed"]) == (128, 512, 30)
    assert body["text_prompts"][0]["text"] == "A cute baby sea otter"


def test_rerank(documented):
    asked = {
        "model": "bedrock/arn:aws:bedrock:us-west-2::foundation-model/amazon.rerank-v1:0",
        "query": "What is the capital of the United States?",
        "documents": ["Carson City is in Nevada.", "Washington, D.C. is the capital of the United States."],
        "top_n": 1,
    }
    status, _, body = documented.post("/rerank", asked)
    assert status == 200, body
    assert [result["index"] for result in json.loads(body)["results"]] == [1]


# LiteLLM's imported models.


@pytest.mark.parametrize("model", [model for model in DOCUMENTED if "imported" in model or "kimi" in model])
def test_imported_models(client, documented, model):
    whole = create(client, model, [{"role": "user", "content": "what llm are you"}], max_tokens=100)
    assert whole.choices[0].message.content
    chunks = create(client, model, [{"role": "user", "content": "what llm are you"}], max_tokens=100, stream=True)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


# Pegasus.

VIDEO = {"s3Location": {"uri": "s3://your-bucket/video.mp4", "bucketOwner": "123456789012"}}


@pytest.mark.parametrize("region", ["us", "eu"])
@pytest.mark.parametrize("source", [VIDEO, {"base64String": "AAAAIGZ0eXBpc29tAAACAGlzb21pc28yYXZjMW1wNDE="}])
def test_a_video(client, documented, region, source):
    messages = [{"role": "user", "content": "Describe what happens in this video."}]
    create(client, f"bedrock/{region}.twelvelabs.pegasus-1-2-v1:0", messages, mediaSource=source, temperature=0.2)
    body = sent(documented)
    assert (body["mediaSource"], body["temperature"]) == (source, 0.2)
    assert "Describe what happens in this video." in body["inputPrompt"]


def test_a_videos_answer_by_a_schema(client, documented):
    schema = {"type": "object", "properties": {"title": {"type": "string"}}, "required": ["title"]}
    form = {"type": "json_schema", "json_schema": {"name": "video", "schema": schema}}
    model = "bedrock/us.twelvelabs.pegasus-1-2-v1:0"
    messages = [{"role": "user", "content": "Give it a title."}]
    create(client, model, messages, mediaSource=VIDEO, response_format=form)
    assert sent(documented)["responseFormat"]["jsonSchema"]["properties"] == schema["properties"]
