"""What all response objects are: JSON objects whose keys are attributes, with children wrapped when first touched."""

from __future__ import annotations

import copy
import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any, ClassVar

    from typing_extensions import Self

    # `Model.dict` hides the type inside the class.
    Fields = dict[str, Any]

_MISSING: Any = object()


class Child:
    """A field that holds an object of its own, or a list of them: plain JSON until somebody looks."""

    __slots__ = ("kind", "many", "name")

    def __init__(self, kind: type[Model], *, many: bool = False) -> None:
        self.kind = kind
        self.many = many

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, obj: Any, owner: type | None = None) -> Any:
        if obj is None:
            return self
        fields = obj.__dict__
        value = fields.get(self.name, _MISSING)
        if value is _MISSING:
            if self.name in obj._absent:
                return None
            raise AttributeError(f"'{type(obj).__name__}' object has no attribute '{self.name}'")
        if self.many:
            if type(value) is list:
                value = fields[self.name] = Wrapped(self.kind._wrap(i, n) for n, i in enumerate(value))
        elif type(value) is dict:
            value = fields[self.name] = self.kind._wrap(value)
        return value

    def __set__(self, obj: Any, value: Any) -> None:
        obj.__dict__[self.name] = value

    def __delete__(self, obj: Any) -> None:
        obj.__dict__.pop(self.name, None)


class Wrapped(list):  # type: ignore[type-arg]
    """A list whose items are wrapped already."""

    __slots__ = ()

    def __reduce__(self) -> Any:
        return (Wrapped, (list(self),))


class Model:
    """A JSON object whose keys are attributes and items alike. Unknown keys are kept."""

    __slots__ = ("__dict__", "__weakref__", "_hidden", "_response_headers")

    _hidden: Any
    _response_headers: Any

    #: Fields that are there though nobody set them, in the order in which they are shown.
    _fields: ClassVar[tuple[str, ...]] = ()
    #: Of these, the ones whose value is then None. Their class attributes are None, too.
    _absent: ClassVar[frozenset[str]] = frozenset()
    #: Fields that are not there rather than None.
    _optional: ClassVar[frozenset[str]] = frozenset()
    #: Fields that only `model_dump_json` shows while nobody set them.
    _unset: ClassVar[tuple[str, ...]] = ()

    #: Fields that hold objects.
    _children: ClassVar[frozenset[str]] = frozenset()

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        own = [name for name, value in vars(cls).items() if isinstance(value, Child)]
        cls._children = cls._children.union(own)

    def __init__(self, **fields: Any) -> None:
        for name in self._children.intersection(fields):
            # Wrapping takes a dict over: the caller's own must stay the caller's.
            if type(fields[name]) in (dict, list):
                fields[name] = copy.deepcopy(fields[name])
        self.__dict__.update(fields)
        self._settle()

    @classmethod
    def _wrap(cls, value: Any, index: int = 0) -> Any:
        """Wraps decoded JSON without copying it. What is not an object stays what it is."""
        if type(value) is not dict:
            return value
        self = cls.__new__(cls)
        self.__dict__ = value
        self._settle(index)
        return self

    def _settle(self, index: int = 0) -> None:
        """Puts right what vendors leave out or write otherwise."""
        fields = self.__dict__
        for name in self._optional:
            if name in fields and fields[name] is None:
                del fields[name]

    # Items

    def __getitem__(self, key: str) -> Any:
        return getattr(self, key)

    def __setitem__(self, key: str, value: Any) -> None:
        setattr(self, key, value)

    def __delitem__(self, key: str) -> None:
        delattr(self, key)

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and hasattr(self, key)

    def get(self, key: str, default: Any = None) -> Any:
        """The field, or `default` where it is absent."""
        return getattr(self, key, default)

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        for name in self._names():
            yield name, getattr(self, name)

    def __delattr__(self, name: str) -> None:
        if name in Model.__slots__:
            object.__delattr__(self, name)
        else:
            self.__dict__.pop(name, None)

    def _names(self) -> list[str]:
        fields = self.__dict__
        names = list(self._fields)
        names += [name for name in fields if name not in self._fields]
        return names

    # What LiteLLM keeps beside the fields

    @property
    def _hidden_params(self) -> Fields:
        try:
            hidden = self._hidden
        except AttributeError:
            hidden = self._hidden = {}
        if type(hidden) is not dict:
            hidden = self._hidden = hidden()
        return hidden

    @_hidden_params.setter
    def _hidden_params(self, value: Fields) -> None:
        self._hidden = value

    @property
    def hidden_params(self) -> Fields:
        """The same as `_hidden_params`."""
        return self._hidden_params

    @property
    def _response_ms(self) -> float | None:
        return self._hidden_params.get("_response_ms")

    @_response_ms.setter
    def _response_ms(self, value: float | None) -> None:
        self._hidden_params["_response_ms"] = value

    # Dumps

    def model_dump(
        self,
        *,
        mode: str = "python",
        include: Any = None,
        exclude: Any = None,
        exclude_none: bool = False,
        exclude_unset: bool = True,
        **_: Any,
    ) -> Fields:
        """A plain dict, children included."""
        dumped = self._dump(exclude_none, exclude_unset)
        if include is not None:
            dumped = {name: value for name, value in dumped.items() if name in include}
        if exclude is not None:
            dumped = {name: value for name, value in dumped.items() if name not in exclude}
        return dumped

    def _dump(self, exclude_none: bool = False, exclude_unset: bool = True) -> Fields:
        fields = self.__dict__
        names = self._names()
        if not exclude_unset:
            names += [name for name in self._unset if name not in fields]
        dumped = {}
        for name in names:
            # Through the attribute: a child that nobody looked at yet is put right first.
            value = _plain(getattr(self, name, None), exclude_none, exclude_unset)
            if value is not None or not exclude_none:
                dumped[name] = value
        return dumped

    def model_dump_json(
        self,
        *,
        indent: int | None = None,
        include: Any = None,
        exclude: Any = None,
        exclude_none: bool = False,
        exclude_unset: bool = False,
        **_: Any,
    ) -> str:
        """JSON text."""
        dumped = self.model_dump(include=include, exclude=exclude, exclude_none=exclude_none, exclude_unset=exclude_unset)
        separators = (",", ":") if indent is None else None
        return json.dumps(dumped, ensure_ascii=False, indent=indent, separators=separators)

    def json(self, **options: Any) -> Fields:
        """A plain dict, as in LiteLLM; the text is `model_dump_json`."""
        return self.model_dump(**options)

    def dict(self, **options: Any) -> Fields:
        """A plain dict."""
        return self.model_dump(**options)

    def to_dict(self, **options: Any) -> Fields:
        """A plain dict."""
        return self.model_dump(**options)

    def to_json(self, **options: Any) -> str:
        """JSON text."""
        return self.model_dump_json(**options)

    @property
    def model_extra(self) -> Fields:
        """Fields that the vendor adds to the documented ones."""
        declared = set(self._fields) | self._optional | set(self._unset)
        return {name: getattr(self, name) for name in self.__dict__ if name not in declared}

    @property
    def model_fields_set(self) -> set[str]:
        """The names of the fields that were set."""
        return set(self.__dict__)

    @classmethod
    def model_validate(cls, value: Any, **_: Any) -> Self:
        """An object of a dict, or of another object."""
        if isinstance(value, cls):
            return value
        if isinstance(value, Model):
            value = value.model_dump()
        return cls(**value)

    @classmethod
    def model_construct(cls, _fields_set: Any = None, **fields: Any) -> Self:
        """An object of fields."""
        return cls._wrap(fields)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy, with some fields changed."""
        new = copy.deepcopy(self) if deep else copy.copy(self)
        new.__dict__.update(update or {})
        return new

    # Copies, comparison, text

    def __getstate__(self) -> Fields:
        return {"fields": self.__dict__, "hidden": self._hidden_params}

    def __setstate__(self, state: Fields) -> None:
        self.__dict__ = dict(state["fields"])
        self._hidden = state["hidden"]

    def __reduce__(self) -> Any:
        return (_empty, (type(self),), self.__getstate__())

    def __copy__(self) -> Self:
        new = _empty(type(self))
        new.__setstate__(self.__getstate__())
        return new

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self._dump() == other._dump()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={getattr(self, name, None)!r}" for name in self._names())
        return f"{type(self).__name__}({shown})"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        """Lets pydantic models have fields of this type."""
        from pydantic_core import core_schema

        return core_schema.no_info_plain_validator_function(
            cls.model_validate,
            serialization=core_schema.plain_serializer_function_ser_schema(lambda value: value.model_dump()),
        )


def _empty(cls: type[Model]) -> Any:
    return cls.__new__(cls)


def _plain(value: Any, exclude_none: bool, exclude_unset: bool) -> Any:
    if isinstance(value, Model):
        return value._dump(exclude_none, exclude_unset)
    if isinstance(value, list):
        if value and type(value[0]) is float:
            return value
        return [_plain(item, exclude_none, exclude_unset) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item, exclude_none, exclude_unset) for key, item in value.items()}
    dump = getattr(value, "model_dump", None)
    return dump() if dump is not None else value
