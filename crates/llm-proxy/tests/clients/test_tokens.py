"""Tokens of an identity provider, in the hands of OpenAI's client."""

import base64
import hashlib
import json
import secrets
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import openai
import pytest

from conftest import CONFIG, KEY, Gateway

ISSUER = "https://id.example"

MORE = """
  enable_jwt_auth: true
  litellm_jwtauth: {user_id_jwt_field: sub, user_id_upsert: true, team_ids_jwt_field: groups, team_id_upsert: true}
"""

#: What stands before a SHA-256 hash in a signature of PKCS#1.
SHA256 = bytes.fromhex("3031300d060960864801650304020105000420")


def prime(bits):
    while True:
        number = secrets.randbits(bits) | 1 | 3 << (bits - 2)
        if all(number % small for small in range(3, 2000, 2)) and all(
            is_witness(secrets.randbelow(number - 3) + 2, number) for _ in range(8)
        ):
            return number


def is_witness(base, number):
    odd, halvings = number - 1, 0
    while odd % 2 == 0:
        odd, halvings = odd // 2, halvings + 1
    power = pow(base, odd, number)
    if power in (1, number - 1):
        return True
    for _ in range(halvings - 1):
        power = power * power % number
        if power == number - 1:
            return True
    return False


def part(data):
    data = data if isinstance(data, bytes) else json.dumps(data).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Provider:
    """An identity provider with one key of its own."""

    def __init__(self):
        p, q = prime(1024), prime(1024)
        self.n, self.e = p * q, 65537
        self.d = pow(self.e, -1, (p - 1) * (q - 1))
        number = {"n": part(self.n.to_bytes(256, "big")), "e": part(self.e.to_bytes(3, "big"))}
        keys = json.dumps({"keys": [{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "1", **number}]}).encode()

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *args):
                pass

            def do_GET(self):
                self.send_response(200)
                self.send_header("Content-Length", str(len(keys)))
                self.end_headers()
                self.wfile.write(keys)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/keys"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def token(self, **claims):
        claims = {"iss": ISSUER, "aud": "gateway", "exp": int(time.time()) + 600, **claims}
        text = f"{part({'alg': 'RS256', 'kid': '1'})}.{part(claims)}"
        hashed = SHA256 + hashlib.sha256(text.encode()).digest()
        padded = b"\x00\x01" + b"\xff" * (256 - 3 - len(hashed)) + b"\x00" + hashed
        return f"{text}.{part(pow(int.from_bytes(padded, 'big'), self.d, self.n).to_bytes(256, 'big'))}"


@pytest.fixture(scope="module")
def provider():
    provider = Provider()
    yield provider
    provider.server.shutdown()
    provider.server.server_close()


@pytest.fixture(scope="module")
def client(upstream, provider, tmp_path_factory):
    config = tmp_path_factory.mktemp("tokens") / "config.yaml"
    config.write_text(CONFIG.format(url=upstream.url, key=KEY).rstrip("\n") + MORE)
    variables = {"JWT_PUBLIC_KEY_URL": provider.url, "JWT_AUDIENCE": "gateway", "JWT_ISSUER": ISSUER}
    running = Gateway(["--config", str(config)], variables)

    def client(token):
        return openai.OpenAI(base_url=f"{running.url}/v1", api_key=token, max_retries=0)

    yield client
    assert running.stop() == 0


def ask(client, **more):
    return client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "Hi"}], **more)


def test_a_token_is_a_key(client, provider):
    known = client(provider.token(sub="ann", groups=["research"]))
    assert ask(known).choices[0].message.content
    assert list(ask(known, stream=True))
    assert "gpt-4o" in [model.id for model in known.models.list()]


def test_what_is_wrong_with_a_token_is_said(client, provider):
    good = provider.token(sub="ann")
    head, claims, _ = good.split(".")
    for token, word in [
        (provider.token(sub="ann", exp=1), "expired"),
        (provider.token(sub="ann", aud="other"), "audience"),
        (provider.token(sub="ann", iss="https://other.example"), "issuer"),
        (f"{head}.{claims}.{'A' * 342}", "signature"),
        (f"{part({'alg': 'none'})}.{claims}.", "algorithm"),
    ]:
        with pytest.raises(openai.AuthenticationError, match=word):
            ask(client(token))
