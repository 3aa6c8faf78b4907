"""Embeddings, images and rerank: OpenAI's SDK, and plain HTTP in Cohere's shape."""

import asyncio
import base64
import json

import httpx
import openai
import pytest
from openai import AsyncOpenAI, OpenAI

from conftest import OTHER_MODELS
from test_openai_sdk import PNG

EMBEDDERS = [name for name in OTHER_MODELS if "embed" in name]
PAINTERS = ["canvas", "titan-image", "sd35"]
RERANKERS = [name for name in OTHER_MODELS if "rerank" in name]
PICTURE = base64.b64decode(PNG)
DOCUMENTS = ["Carson City is in Nevada.", "Saipan is an island.", "Washington is the capital of the United States."]


@pytest.fixture(scope="module")
def client(operations):
    with OpenAI(base_url=f"{operations.url}/v1", api_key=operations.key, max_retries=0, timeout=60) as client:
        yield client


def sent(gateway, last: int = 1) -> list[dict]:
    """The last bodies that AWS received."""
    return [json.loads(call["body"]) for call in gateway.simulator_calls(last)]


# Embeddings.


@pytest.mark.parametrize("model", EMBEDDERS)
def test_every_embedder_embeds_a_string(client, model):
    answer = client.embeddings.create(model=model, input="a sentence")
    assert (answer.object, answer.model, len(answer.data)) == ("list", model, 1)
    assert answer.data[0].index == 0 and answer.data[0].object == "embedding"
    assert len(answer.data[0].embedding) > 1 and all(isinstance(value, float) for value in answer.data[0].embedding)
    assert answer.usage.prompt_tokens == answer.usage.total_tokens > 0


@pytest.mark.parametrize("model", EMBEDDERS)
def test_a_list_is_embedded_in_its_order(client, model):
    texts = [f"sentence {number}" for number in range(7)]
    together = client.embeddings.create(model=model, input=texts, encoding_format="float")
    assert [datum.index for datum in together.data] == list(range(7))
    for number in (0, 6):
        alone = client.embeddings.create(model=model, input=texts[number], encoding_format="float")
        assert alone.data[0].embedding == pytest.approx(together.data[number].embedding, rel=1e-6)


def test_base64_is_what_the_sdk_asks_for(client, operations):
    """The SDK asks for base64 and decodes it; what it makes of it must be the numbers."""
    floats = client.embeddings.create(model="titan-embed", input="x", encoding_format="float").data[0].embedding
    assert client.embeddings.create(model="titan-embed", input="x").data[0].embedding == pytest.approx(floats, rel=1e-6)
    raw = client.embeddings.create(model="titan-embed", input="x", encoding_format="base64").data[0].embedding
    assert isinstance(raw, str) and len(base64.b64decode(raw)) == 4 * len(floats)


def test_tokens_are_text(client, operations):
    answer = client.embeddings.create(model="titan-embed", input=[9906, 1917])
    assert len(answer.data) == 1 and sent(operations)[0]["inputText"] == "Hello world"
    answer = client.embeddings.create(model="cohere-embed", input=[[9906, 1917], [15339]])
    assert len(answer.data) == 2 and sent(operations)[0]["texts"] == ["Hello world", "hello"]


@pytest.mark.parametrize("model", ["titan-embed", "cohere-embed-4"])
def test_dimensions(client, model):
    assert len(client.embeddings.create(model=model, input="x", dimensions=256).data[0].embedding) == 256


def test_dimensions_of_a_model_without_them_are_refused(client):
    with pytest.raises(openai.BadRequestError) as caught:
        client.embeddings.create(model="titan-embed-g1", input="x", dimensions=256)
    assert "dimensions" in caught.value.body["message"]


def test_parameters_of_the_model_itself(client, operations):
    client.embeddings.create(model="cohere-embed", input="x", extra_body={"input_type": "search_query"})
    assert sent(operations)[0]["input_type"] == "search_query"
    client.embeddings.create(model="titan-embed", input="x", extra_body={"normalize": False})
    assert sent(operations)[0]["normalize"] is False


def test_an_image_is_embedded(client, operations):
    client.embeddings.create(model="titan-embed-image", input=f"data:image/png;base64,{PNG}")
    assert sent(operations)[0]["inputImage"] == PNG


def test_async_embeddings_side_by_side(operations):
    async def main():
        async with AsyncOpenAI(base_url=f"{operations.url}/v1", api_key=operations.key, max_retries=0) as client:
            calls = [client.embeddings.create(model="titan-embed", input=[str(n), "x"]) for n in range(30)]
            return await asyncio.gather(*calls)

    assert {len(answer.data) for answer in asyncio.run(main())} == {2}


@pytest.mark.parametrize(
    ("input", "error"),
    [
        ("[[sim:throttle]] x", openai.RateLimitError),
        (["x", "[[sim:error503]]"], openai.InternalServerError),
        ("[[sim:access-denied]]", openai.PermissionDeniedError),
        ("[[sim:validation]]", openai.BadRequestError),
        ([], openai.BadRequestError),
        ({"nothing": 1}, openai.BadRequestError),
    ],
)
def test_errors_of_embeddings(client, input, error):
    with pytest.raises(error) as caught:
        client.embeddings.create(model="titan-embed", input=input)
    assert caught.value.body["message"] and caught.value.body["type"]


# A model is asked for what it is.


@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.embeddings.create(model="claude", input="x"),
        lambda client: client.images.generate(model="titan-embed", prompt="x"),
        lambda client: client.chat.completions.create(model="canvas", messages=[{"role": "user", "content": "x"}]),
        lambda client: client.embeddings.create(model="amazon-rerank", input="x"),
    ],
    ids=["embed-claude", "paint-titan-embed", "chat-canvas", "embed-rerank"],
)
def test_a_model_that_does_something_else(client, operations, call):
    before = operations.simulator_state()["calls_total"]
    with pytest.raises((openai.BadRequestError, openai.NotFoundError)) as caught:
        call(client)
    assert caught.value.body["message"]
    assert operations.simulator_state()["calls_total"] == before


def test_a_wrong_key(operations):
    with OpenAI(base_url=f"{operations.url}/v1", api_key="sk-wrong", max_retries=0) as client:
        for call in (
            lambda: client.embeddings.create(model="titan-embed", input="x"),
            lambda: client.images.generate(model="canvas", prompt="x"),
            lambda: client.images.edit(model="canvas", image=PICTURE, prompt="x"),
        ):
            with pytest.raises(openai.AuthenticationError):
                call()


# Images.


def is_png(image) -> bool:
    """Whether an answer's image is one."""
    return base64.b64decode(image.b64_json).startswith(b"\x89PNG")


@pytest.mark.parametrize("model", PAINTERS)
def test_every_painter_paints(client, model):
    answer = client.images.generate(model=model, prompt="A lighthouse in a storm")
    assert answer.created > 0 and [is_png(image) for image in answer.data] == [True]


def test_several_images_of_a_size(client, operations):
    answer = client.images.generate(model="canvas", prompt="A lighthouse", n=3, size="512x768", quality="premium")
    assert [is_png(image) for image in answer.data] == [True] * 3
    config = sent(operations)[0]["imageGenerationConfig"]
    assert (config["numberOfImages"], config["width"], config["height"]) == (3, 512, 768)


def test_parameters_of_the_painter_itself(client, operations):
    client.images.generate(
        model="canvas", prompt="A lighthouse", extra_body={"textToImageParams": {"negativeText": "people"}}
    )
    assert sent(operations)[0]["textToImageParams"] == {"text": "A lighthouse", "negativeText": "people"}
    client.images.generate(model="sd35", prompt="A lighthouse", extra_body={"seed": 7, "negative_prompt": "people"})
    assert (sent(operations)[0]["seed"], sent(operations)[0]["negative_prompt"]) == (7, "people")


def test_an_edit_with_a_mask(client, operations):
    answer = client.images.edit(
        model="inpaint", image=("a.png", PICTURE, "image/png"), mask=("m.png", PICTURE, "image/png"), prompt="A cat"
    )
    assert is_png(answer.data[0])
    body = sent(operations)[0]
    assert (body["image"], body["mask"], body["prompt"]) == (PNG, PNG, "A cat")


def test_an_edit_by_amazons_painter(client, operations):
    client.images.edit(model="canvas", image=PICTURE, mask=PICTURE, prompt="A cat", n=2)
    body = sent(operations)[0]
    assert body["taskType"] == "INPAINTING" and body["inPaintingParams"]["maskImage"] == PNG
    assert body["imageGenerationConfig"]["numberOfImages"] == 2


@pytest.mark.parametrize("parameter", [{"prompt": "[[sim:throttle]]"}, {"prompt": "x", "style": "vivid"}])
def test_errors_of_images(client, parameter):
    with pytest.raises((openai.RateLimitError, openai.BadRequestError)) as caught:
        client.images.generate(model="canvas", **parameter)
    assert caught.value.body["message"]


# Rerank, as Cohere's clients ask.


def rank(gateway, path="/v1/rerank", **members):
    asked = {"query": "What is the capital of the United States?", "documents": DOCUMENTS} | members
    return httpx.post(f"{gateway.url}{path}", json=asked, headers=gateway.headers(), timeout=60)


@pytest.mark.parametrize("path", ["/v1/rerank", "/rerank", "/v2/rerank"])
@pytest.mark.parametrize("model", RERANKERS)
def test_documents_are_ranked(operations, model, path):
    answer = rank(operations, path, model=model)
    assert answer.status_code == 200, answer.text
    results = answer.json()["results"]
    assert results[0]["index"] == 2 and {result["index"] for result in results} == {0, 1, 2}
    scores = [result["relevance_score"] for result in results]
    assert scores == sorted(scores, reverse=True) and all(0 <= score <= 1 for score in scores)
    assert answer.json()["id"] and answer.json()["meta"]["billed_units"]["search_units"] >= 1


def test_the_best_of_them_with_their_texts(operations):
    answer = rank(operations, model="cohere-rerank", top_n=1, return_documents=True).json()
    assert [result["document"] for result in answer["results"]] == [{"text": DOCUMENTS[2]}]


def test_documents_as_objects(operations):
    documents = [{"text": text} for text in DOCUMENTS]
    texts = rank(operations, model="cohere-rerank", documents=documents)
    assert texts.status_code == 200, texts.text
    fields = rank(operations, model="cohere-rerank", documents=[{"title": text, "year": 2} for text in DOCUMENTS])
    assert fields.status_code == 200, fields.text
    kinds = {source["inlineDocumentSource"]["type"] for source in sent(operations)[0]["sources"]}
    assert kinds == {"JSON"}


@pytest.mark.parametrize(
    ("members", "status"),
    [
        ({"model": "nobody"}, 400),
        ({"documents": []}, 400),
        ({"documents": "text"}, 400),
        ({"query": None}, 400),
        ({"query": "[[sim:throttle]]"}, 429),
        ({"model": "claude"}, 400),
    ],
)
def test_errors_of_rerank(operations, members, status):
    answer = rank(operations, **{"model": "cohere-rerank"} | members)
    assert answer.status_code == status, answer.text
    assert answer.json()["error"]["message"]
