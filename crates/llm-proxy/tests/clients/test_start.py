"""Starting, without configuration and with a bad one."""

import os
import signal
import subprocess

import openai
import pytest
from conftest import Gateway


def test_no_configuration_answers_at_once():
    gateway = Gateway([])
    client = openai.OpenAI(api_key="anything", base_url=gateway.url, max_retries=0)
    messages = [{"role": "user", "content": "Hello"}]
    answer = client.chat.completions.create(model="demo", messages=messages)
    assert "Hello" in answer.choices[0].message.content
    streamed = client.chat.completions.create(model="demo", messages=messages, stream=True)
    assert "".join(c.choices[0].delta.content or "" for c in streamed if c.choices) == answer.choices[0].message.content
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {"x": {"type": "string"}}}}}
    called = client.chat.completions.create(model="demo", messages=messages, tools=[tool])
    assert called.choices[0].message.tool_calls[0].function.name == "f"
    vectors = client.embeddings.create(model="demo", input=["a", "b", "a"]).data
    assert vectors[0].embedding == vectors[2].embedding != vectors[1].embedding
    assert gateway.stop() == 0


def test_the_quick_start_model(upstream):
    gateway = Gateway(["--model", "openai/gpt-4o", "--api_base", upstream.url + "/v1"], {"OPENAI_API_KEY": "sk-x"})
    client = openai.OpenAI(api_key="anything", base_url=gateway.url, max_retries=0)
    for name in ["gpt-4o", "openai/gpt-4o", "whatever"]:
        answer = client.chat.completions.create(model=name, messages=[{"role": "user", "content": "Hello"}])
        assert answer.choices[0].message.content == "You said: Hello"
    assert gateway.stop() == 0


def run(*arguments, **environment):
    command = [os.environ["INTERLINGUA_GATEWAY"], *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env={**os.environ, **environment})


def test_another_address_needs_a_master_key():
    refused = run("--host", "0.0.0.0", "--port", "0", LITELLM_MASTER_KEY="")
    assert refused.returncode != 0
    assert "master key" in refused.stderr


def test_all_mistakes_are_printed_at_once(tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text(
        "model_list:\n"
        "  - model_name: a\n"
        "    litellm_params: {model: openai/gpt-4o, api_key: x}\n"
        "  - litellm_params: {model: openai/gpt-4o}\n"
        "rotuer_settings: {num_retries: 3}\n"
        "router_settings: {num_retries: lots, routing_strategy: lest-busy}\n"
        "litellm_settings: {budget_rollover: true}\n"
    )
    checked = run("check", str(config))
    text = checked.stdout + checked.stderr
    assert checked.returncode == 1
    assert f"{config}:4:" in text and "model_name" in text
    assert f"{config}:5:1" in text and "did you mean 'router_settings'" in text
    assert f"{config}:6:" in text and "num_retries" in text and "did you mean 'least-busy'" in text
    assert f"{config}:7:" in text and "budgets" in text


def test_a_good_file_is_good(tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text("model_list:\n  - model_name: a\n    litellm_params: {model: openai/gpt-4o, api_key: x}\n")
    assert run("check", str(config)).returncode == 0


@pytest.mark.parametrize("how", [signal.SIGHUP, None])
def test_a_new_configuration_is_served_and_a_bad_one_is_not(tmp_path, upstream, how):
    config = tmp_path / "config.yaml"

    def write(names):
        text = "model_list:\n"
        for name in names:
            text += f"  - model_name: {name}\n    litellm_params: {{model: openai/{name}, api_base: '{upstream.url}/v1', api_key: x}}\n"
        config.write_text(text)

    write(["one"])
    gateway = Gateway(["--config", str(config)])
    client = openai.OpenAI(api_key="anything", base_url=gateway.url, max_retries=0)

    def reloaded(expected):
        if how:
            gateway.process.send_signal(how)
        for _ in range(600):
            if {model.id for model in client.models.list()} == expected:
                return True
            gateway.process.poll()
            signal.sigtimedwait([], 0.1)
        return False

    assert {model.id for model in client.models.list()} == {"one"}
    write(["one", "two"])
    assert reloaded({"one", "two"})
    config.write_text("model_list: {no: list}\n")
    if how:
        gateway.process.send_signal(how)
    answer = client.chat.completions.create(model="two", messages=[{"role": "user", "content": "Hello"}])
    assert answer.choices[0].message.content == "You said: Hello"
    assert gateway.stop() == 0
