"""Responses of models that only chat: kept by the gateway itself, also over a restart."""

import openai
import pytest
from conftest import KEY, Gateway

CONFIG = """
model_list:
  - model_name: claude
    litellm_params: {{model: anthropic/claude-sonnet-4-5, api_base: "{url}", api_key: sk-ant-upstream}}
    model_info: {{id: claude}}
general_settings: {{master_key: {key}, data_folder: "{folder}"}}
"""


@pytest.fixture
def start(upstream, tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG.format(url=upstream.url, key=KEY, folder=tmp_path / "data"))
    running = []

    def start():
        running.append(Gateway(["--config", str(config)]))
        return running[-1], openai.OpenAI(api_key=KEY, base_url=running[-1].url, max_retries=0)

    yield start
    for gateway in running:
        gateway.process.kill()
        gateway.wait()


def test_a_response_outlives_its_gateway(start):
    gateway, client = start()
    first = client.responses.create(model="claude", input="One")
    second = client.responses.create(model="claude", input="Two", previous_response_id=first.id)
    assert client.responses.retrieve(second.id).output_text == "You said: Two"
    assert gateway.stop() == 0
    _, client = start()
    assert client.responses.retrieve(second.id).to_dict() == second.to_dict()
    items = client.responses.input_items.list(second.id, order="asc", limit=2)
    texts = [getattr(item, "content", None) for item in items]
    assert str(texts[0]) and len(texts) == 3
    assert "One" in str(texts[0]) and "Two" in str(texts[2])
    third = client.responses.create(model="claude", input="Three", previous_response_id=second.id)
    assert third.previous_response_id
    client.responses.delete(second.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(second.id)


def test_a_response_is_streamed_again(start):
    _, client = start()
    made = client.responses.create(model="claude", input="One")
    events = list(client.responses.retrieve(made.id, stream=True))
    assert (events[0].type, events[-1].type) == ("response.created", "response.completed")
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == "You said: One"
    assert events[-1].response.to_dict() == made.to_dict()
    with pytest.raises(openai.BadRequestError, match="starting_after|kept as a whole"):
        client.responses.retrieve(made.id, stream=True, starting_after=1)


def test_what_is_whole_cannot_be_cancelled(start):
    _, client = start()
    made = client.responses.create(model="claude", input="Hello")
    with pytest.raises(openai.BadRequestError, match="background"):
        client.responses.cancel(made.id)
    unkept = client.responses.create(model="claude", input="Hello", store=False)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(unkept.id)
