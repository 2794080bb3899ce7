"""The `google-genai` package: to Gemini untouched, to every other model over chat."""

import json
import urllib.request

import pytest
from conftest import KEY
from google import genai
from google.genai import errors, types

ALL = pytest.mark.parametrize("model", ["gemini", "gpt-4o", "claude"])
WEATHER = types.FunctionDeclaration(
    name="get_weather",
    description="Weather of a city",
    parameters=types.Schema(type="OBJECT", properties={"city": types.Schema(type="STRING"), "days": types.Schema(type="INTEGER")}),
)
NO_CALLS = types.AutomaticFunctionCallingConfig(disable=True)
TOOLS = types.GenerateContentConfig(tools=[types.Tool(function_declarations=[WEATHER])], automatic_function_calling=NO_CALLS)


@pytest.fixture(params=["v1beta", "v1"])
def client(request, gateway):
    return genai.Client(api_key=KEY, http_options=types.HttpOptions(base_url=gateway.url, api_version=request.param))


@pytest.fixture
def plain(gateway):
    return genai.Client(api_key=KEY, http_options=types.HttpOptions(base_url=gateway.url))


@ALL
def test_generate(client, model):
    answer = client.models.generate_content(model=model, contents="Hello")
    assert answer.text == "You said: Hello"
    assert answer.candidates[0].finish_reason == types.FinishReason.STOP
    usage = answer.usage_metadata
    assert usage.total_token_count > usage.prompt_token_count > 0


@ALL
def test_stream(client, model):
    pieces = list(client.models.generate_content_stream(model=model, contents="Hello"))
    assert "".join(piece.text or "" for piece in pieces).strip() == "You said: Hello"
    assert len(pieces) > 2
    assert pieces[-1].candidates[0].finish_reason == types.FinishReason.STOP
    assert pieces[-1].usage_metadata.candidates_token_count > 0


@ALL
@pytest.mark.parametrize("stream", [False, True])
def test_tools(plain, model, stream):
    if stream:
        answers = list(plain.models.generate_content_stream(model=model, contents="Hello", config=TOOLS))
    else:
        answers = [plain.models.generate_content(model=model, contents="Hello", config=TOOLS)]
    calls = [call for answer in answers for call in answer.function_calls or []]
    assert {call.name for call in calls} == {"get_weather"}
    assert calls[0].args == {"city": "Paris", "days": 2}


def test_to_gemini_the_body_passes_untouched(plain, upstream):
    config = types.GenerateContentConfig(
        temperature=0.5,
        top_k=3,
        safety_settings=[types.SafetySetting(category="HARM_CATEGORY_HARASSMENT", threshold="BLOCK_NONE")],
        system_instruction="Be brief.",
        thinking_config=types.ThinkingConfig(thinking_budget=0),
    )
    plain.models.generate_content(model="gemini", contents="Hello", config=config)
    sent = upstream.last()
    assert sent["path"] == "/models/gemini-2.5-flash:generateContent"
    assert set(sent["body"]) == {"contents", "systemInstruction", "safetySettings", "generationConfig"}
    assert sent["body"]["generationConfig"]["thinkingConfig"] in ({"thinkingBudget": 0}, {"thinking_budget": 0})
    assert sent["body"]["generationConfig"]["topK"] == 3
    assert {name.lower(): value for name, value in sent["headers"].items()}["x-goog-api-key"] == "google-upstream"


def test_to_others_it_goes_over_chat(plain, upstream):
    config = types.GenerateContentConfig(
        system_instruction="Be brief.",
        max_output_tokens=50,
        temperature=0.5,
        stop_sequences=["x"],
        response_mime_type="application/json",
        response_schema=types.Schema(type="OBJECT", properties={"city": types.Schema(type="STRING", nullable=True)}),
    )
    plain.models.generate_content(model="gpt-4o", contents="Hello", config=config)
    sent = upstream.last()["body"]
    assert sent["messages"] == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}]
    assert (sent["max_tokens"], sent["temperature"], sent["stop"]) == (50, 0.5, ["x"])
    schema = sent["response_format"]["json_schema"]["schema"]
    assert schema == {"type": "object", "properties": {"city": {"type": ["string", "null"]}}}


def test_results_of_tools_reach_claude(plain, upstream):
    contents = [
        types.UserContent("Hello"),
        types.ModelContent([types.Part.from_function_call(name="get_weather", args={"city": "Paris"})]),
        types.UserContent([types.Part.from_function_response(name="get_weather", response={"result": "sunny"})]),
    ]
    plain.models.generate_content(model="claude", contents=contents, config=TOOLS)
    sent = upstream.last()["body"]["messages"]
    assert sent[1]["content"][0]["type"] == "tool_use" and sent[1]["content"][0]["input"] == {"city": "Paris"}
    assert sent[2]["content"][0]["tool_use_id"] == sent[1]["content"][0]["id"]


def test_without_sse_a_stream_is_a_list(gateway):
    request = urllib.request.Request(
        f"{gateway.url}/v1beta/models/claude:streamGenerateContent?key={KEY}",
        data=json.dumps({"contents": [{"parts": [{"text": "Hello"}]}]}).encode(),
        headers={"content-type": "application/json"},
    )
    with urllib.request.urlopen(request) as answer:
        assert answer.headers["content-type"] == "application/json"
        events = json.load(answer)
    assert len(events) > 2 and events[-1]["candidates"][0]["finishReason"] == "STOP"


@ALL
def test_count_tokens(plain, model):
    assert plain.models.count_tokens(model=model, contents="Hello").total_tokens > 0


@pytest.mark.parametrize(
    "model,code,status",
    [
        ("broken/rate-limited", 429, "RESOURCE_EXHAUSTED"),
        ("nobody-has-this", 400, "INVALID_ARGUMENT"),
    ],
)
def test_errors_are_in_the_dialect(plain, model, code, status):
    with pytest.raises(errors.ClientError) as caught:
        plain.models.generate_content(model=model, contents="Hello")
    assert (caught.value.code, caught.value.status) == (code, status)
    assert caught.value.message


def test_wrong_key(gateway):
    client = genai.Client(api_key="sk-wrong", http_options=types.HttpOptions(base_url=gateway.url))
    with pytest.raises(errors.ClientError) as caught:
        client.models.generate_content(model="claude", contents="Hello")
    assert (caught.value.code, caught.value.status) == (401, "UNAUTHENTICATED")


def test_a_broken_stream_is_an_error(plain):
    with pytest.raises(errors.APIError):
        list(plain.models.generate_content_stream(model="broken/truncated", contents="Hello"))
