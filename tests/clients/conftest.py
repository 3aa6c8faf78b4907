"""Gateways that several files share, each started once."""

import pytest

from support.gateway import MASTER_KEY, Gateway

# One entry of each family that speaks Converse, and names that nobody knows yet.
MODELS = {
    "claude": "bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0",
    "claude-3-7": "bedrock/us.anthropic.claude-3-7-sonnet-20250219-v1:0",
    "claude-3-5": "bedrock/anthropic.claude-3-5-sonnet-20240620-v1:0",
    "claude-opus": "bedrock/us.anthropic.claude-opus-4-6-v1",
    "nova": "bedrock/us.amazon.nova-pro-v1:0",
    "llama": "bedrock/us.meta.llama3-1-70b-instruct-v1:0",
    "mistral": "bedrock/mistral.mistral-large-2402-v1:0",
    "deepseek": "bedrock/us.deepseek.r1-v1:0",
    "qwen": "bedrock/qwen.qwen3-235b-a22b-2507-v1:0",
    "gpt-oss": "bedrock/converse/openai.gpt-oss-120b-1:0",
    "kimi": "bedrock/converse/moonshot.kimi-k2-thinking",
    "cohere": "bedrock/converse/cohere.command-r-plus-v1:0",
    "jamba": "bedrock/ai21.jamba-1-5-large-v1:0",
    "newcomer": "bedrock/converse/somebody.model-of-next-year-v1:0",
}
# Models for what is no conversation.
OTHER_MODELS = {
    "titan-embed": "bedrock/amazon.titan-embed-text-v2:0",
    "titan-embed-g1": "bedrock/amazon.titan-embed-text-v1",
    "titan-embed-image": "bedrock/amazon.titan-embed-image-v1",
    "cohere-embed": "bedrock/cohere.embed-multilingual-v3",
    "cohere-embed-4": "bedrock/us.cohere.embed-v4:0",
    "nova-embed": "bedrock/amazon.nova-2-multimodal-embeddings-v1:0",
    "canvas": "bedrock/amazon.nova-canvas-v1:0",
    "titan-image": "bedrock/amazon.titan-image-generator-v2:0",
    "sd35": "bedrock/stability.sd3-5-large-v1:0",
    "inpaint": "bedrock/stability.stable-image-inpaint-v1:0",
    "amazon-rerank": "bedrock/arn:aws:bedrock:us-west-2::foundation-model/amazon.rerank-v1:0",
    "cohere-rerank": "bedrock/cohere.rerank-v3-5:0",
}
ENTRIES = [{"model_name": name, "litellm_params": {"model": model}} for name, model in MODELS.items()]


def entries(models: dict[str, str]) -> list[dict]:
    """A `model_list` of these models."""
    return [{"model_name": name, "litellm_params": {"model": model, "aws_region_name": "us-west-2"}} for name, model in models.items()]  # fmt: skip


def configuration(**sections) -> dict:
    """A file with all models; `sections` are merged over the usual settings."""
    settings = {
        "model_list": ENTRIES,
        "litellm_settings": {"num_retries": 0},
        "router_settings": {"num_retries": 0, "disable_cooldowns": True},
        "general_settings": {"master_key": MASTER_KEY},
    }
    for name, section in sections.items():
        settings[name] = settings.get(name, {}) | section if isinstance(section, dict) else section
    return settings


@pytest.fixture(scope="session")
def gateway():
    """A gateway in front of the simulated AWS."""
    with Gateway(configuration(), simulate=True) as gateway:
        yield gateway
        assert gateway.alive(), f"the gateway ended:\n{gateway.output[-4000:]}"
        assert "panicked" not in gateway.output, gateway.output[-4000:]


@pytest.fixture(scope="session")
def operations():
    """A gateway with models for embeddings, images and rerank, and two to talk to; it keeps responses, and caches nothing else."""
    names = {"claude": MODELS["claude"], "nova": MODELS["nova"], **OTHER_MODELS}
    keeping = {"cache": True, "cache_params": {"type": "local", "supported_call_types": []}}
    with Gateway(configuration(model_list=entries(names), litellm_settings=keeping), simulate=True) as gateway:
        yield gateway
        assert gateway.alive(), f"the gateway ended:\n{gateway.output[-4000:]}"
        assert "panicked" not in gateway.output, gateway.output[-4000:]


@pytest.fixture(scope="session")
def quickstart():
    """The README's first command, on a free port."""
    with Gateway("examples/configs/quickstart.yaml", simulate=True) as gateway:
        yield gateway


@pytest.fixture
def master_key() -> str:
    """The key of the administrator."""
    return MASTER_KEY
