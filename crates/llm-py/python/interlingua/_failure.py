"""What all exceptions are made of: the failed reply, and the base of all errors of calls."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Response:
    """The vendor's reply to a failed request, in the shape of an httpx response."""

    __slots__ = ("headers", "request", "status_code", "text")

    def __init__(self, status_code: int, headers: dict[str, str] | None = None, text: str = "", request: Any = None) -> None:
        self.status_code = status_code
        self.headers = Headers(headers or {})
        self.text = text
        self.request = request

    @property
    def content(self) -> bytes:
        """The body's bytes."""
        return self.text.encode()

    def json(self) -> Any:
        """The body, decoded."""
        import json

        return json.loads(self.text)

    def __repr__(self) -> str:
        return f"<Response [{self.status_code}]>"


class Headers(dict):  # type: ignore[type-arg]
    """Header names in lower case, found in any case."""

    __slots__ = ()

    def __init__(self, headers: dict[str, str]) -> None:
        super().__init__({name.lower(): value for name, value in headers.items()})

    def __getitem__(self, name: str) -> str:
        return super().__getitem__(name.lower())

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name.lower() if isinstance(name, str) else name)

    def get(self, name: str, default: Any = None) -> Any:
        """The header's value, or `default`."""
        return super().get(name.lower(), default)


class _Rooted(Exception):
    """A base of our own: only between classes made in Python can bases be exchanged later."""


class _ApiFailure(_Rooted):
    """What all errors of calls have in common."""

    status_code: int = 500
    type: str | None = None
    code: str | None = None
    param: str | None = None
    body: Any = None
    request_id: str | None = None
    llm_provider: str | None = None
    model: str | None = None
    litellm_debug_info: str | None = None
    max_retries: int | None = None
    num_retries: int | None = None
    litellm_response_headers: Any = None
    request: Any = None

    def __init__(
        self,
        message: str = "",
        llm_provider: str | None = None,
        model: str | None = None,
        response: Any = None,
        litellm_debug_info: str | None = None,
        max_retries: int | None = None,
        num_retries: int | None = None,
        *,
        status_code: int | None = None,
        headers: Any = None,
        body: Any = None,
        **facts: Any,
    ) -> None:
        # Frameworks look for LiteLLM's prefix in the text.
        prefix = f"litellm.{type(self).__name__}: "
        self.message = message if message.startswith("litellm.") else prefix + message
        Exception.__init__(self, self.message)
        self.llm_provider = llm_provider
        self.model = model
        if status_code is not None:
            self.status_code = status_code
        self.litellm_debug_info = litellm_debug_info
        self.max_retries = max_retries
        self.num_retries = num_retries
        self.response = Response(self.status_code, headers) if response is None else response
        self.headers = headers if headers is not None else getattr(self.response, "headers", {})
        self.litellm_response_headers = headers
        self.body = body
        for name, value in facts.items():
            setattr(self, name, value)

    def __str__(self) -> str:
        text = self.message
        if self.num_retries:
            text += f" LiteLLM Retried: {self.num_retries} times"
        if self.max_retries:
            text += f", LiteLLM Max Retries: {self.max_retries}"
        return text

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"

    def __reduce__(self) -> Any:
        return (_rebuilt, (type(self), self.args, self.__dict__))


def _rebuilt(cls: type[BaseException], args: tuple[Any, ...], state: dict[str, Any]) -> BaseException:
    error = cls.__new__(cls, *args)
    error.args = args
    error.__dict__.update(state)
    return error
