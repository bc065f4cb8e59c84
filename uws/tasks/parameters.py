"""The parameters of tasks: from a client's strings to the declared model, and described for people and programs."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from uws.tasks.declaration import TaskParameters
from vo.core.dali.parameters import Parameters
from vo.core.errors import ParameterError

SHOWN = 60
"""Characters of a wrong value that an error repeats."""
_BOOLEANS = {"1": True, "true": True, "t": True, "0": False, "false": False, "f": False}


@dataclass(frozen=True, slots=True)
class ParameterFacts:
    """One parameter, described.

    Attributes
    ----------
    name : str
        As clients write it: upper case.
    field : str
        Of the model.
    datatype : str
        Of a value, in words of VOTable: ``double``, ``long``, ``boolean``, ``char``.
    repeated : bool
        Whether it takes several values.
    required : bool
        Whether it must be given.
    default : str, optional
        As a client would write it.
    description : str
        What it means.
    unit, ucd : str, optional
        As declared.
    choices : mapping of str to Any
        The values that it can have, where they are few: as clients write them, and as the model has them.
    least, most : float, optional
        Ends of its range, and whether they belong to it.
    least_included, most_included : bool
        Whether these belong to the range.
    examples : tuple of str
        Values that work.
    """

    name: str
    field: str
    datatype: str
    repeated: bool
    required: bool
    default: str | None
    description: str
    unit: str | None
    ucd: str | None
    choices: Mapping[str, Any]
    least: float | None
    most: float | None
    least_included: bool
    most_included: bool
    examples: tuple[str, ...]

    @property
    def range(self) -> str:
        """The range in words; empty without one."""
        words = []
        if self.least is not None:
            words.append(f"{'at least' if self.least_included else 'more than'} {self.least:.10g}")
        if self.most is not None:
            words.append(f"{'at most' if self.most_included else 'less than'} {self.most:.10g}")
        return ", ".join(words)


def read_parameters(model: type[TaskParameters], parameters: Parameters) -> TaskParameters:
    """Read a task's own parameters; others are left alone.

    Raises
    ------
    ParameterError
        Naming the first one that is missing or wrong, and what it takes.
    """
    values: dict[str, Any] = {}
    facts = {each.field: each for each in describe(model)}
    for name, each in facts.items():
        if each.repeated:
            given = [part.strip() for value in parameters.all(each.name) for part in value.split(",") if part.strip()]
            if given:
                values[name] = tuple(_value(each, text) for text in dict.fromkeys(given))
        elif (text := parameters.one(each.name)) is not None:
            values[name] = _value(each, text.strip())
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise _told(error, facts) from None


def describe(model: type[TaskParameters]) -> tuple[ParameterFacts, ...]:
    """Describe the parameters of a model: its own in their order, then those that it inherits."""
    fields = model.model_fields
    own = [name for name in fields if name in model.__annotations__]
    return tuple(_describe(name, fields[name]) for name in dict.fromkeys([*own, *fields]))


def _describe(name: str, info: FieldInfo) -> ParameterFacts:
    kind, repeated = _kind(info.annotation)
    extra: Mapping[str, Any] = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
    bounds = {
        key: value
        for rule in info.metadata
        for key in ("ge", "gt", "le", "lt")
        if (value := _of(rule, key)) is not None
    }
    default = None if info.default in (PydanticUndefined, None) else written(info.default)
    return ParameterFacts(
        name=name.upper(),
        field=name,
        datatype=_datatype(kind),
        repeated=repeated,
        required=info.is_required(),
        default=default,
        description=info.description or "",
        unit=extra.get("unit"),
        ucd=extra.get("ucd"),
        choices=_choices(kind),
        least=bounds.get("ge", bounds.get("gt")),
        most=bounds.get("le", bounds.get("lt")),
        least_included="ge" in bounds,
        most_included="le" in bounds,
        examples=tuple(written(example) for example in info.examples or ()),
    )


def _of(rule: Any, key: str) -> float | None:
    value = getattr(rule, key, None)
    return None if value is None else float(value)


def written(value: Any) -> str:
    """Return a value as a client writes it."""
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (tuple, list)):
        return ",".join(written(item) for item in value)
    return f"{value:.15g}" if isinstance(value, float) else str(value)


def _kind(annotation: Any) -> tuple[Any, bool]:
    """Return the type of one value, and whether there may be several."""
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        rest = [item for item in typing.get_args(annotation) if item is not type(None)]
        if len(rest) == 1:
            return _kind(rest[0])
        return str, False
    if typing.get_origin(annotation) is tuple:
        return typing.get_args(annotation)[0], True
    return annotation, False


def _choices(kind: Any) -> dict[str, Any]:
    if isinstance(kind, type) and issubclass(kind, Enum):
        return {written(item): item for item in kind}
    return {written(item): item for item in typing.get_args(kind)} if typing.get_origin(kind) is typing.Literal else {}


def _datatype(kind: Any) -> str:
    return {bool: "boolean", int: "long", float: "double"}.get(kind, "char")


def _value(facts: ParameterFacts, text: str) -> Any:
    """Return what pydantic is given: booleans as DALI writes them, words in any case where there is a choice."""
    if facts.datatype == "boolean":
        if text.lower() not in _BOOLEANS:
            raise ParameterError(facts.name, f"{text[:SHOWN]!r} is neither true nor false.", hint="Send true or false.")
        return _BOOLEANS[text.lower()]
    if facts.choices:
        if text in facts.choices:
            return facts.choices[text]
        folded = [value for choice, value in facts.choices.items() if choice.lower() == text.lower()]
        if len(folded) != 1:  # none, or two that differ only in their case, as bands do
            raise ParameterError(
                facts.name, f"{text[:SHOWN]!r} cannot be chosen.", hint=f"Choose from {', '.join(facts.choices)}."
            )
        return folded[0]
    return text


def _told(error: ValidationError, facts: Mapping[str, ParameterFacts]) -> ParameterError:
    """Return what pydantic found first, as an error of one parameter."""
    first = error.errors()[0]
    message = first["msg"].removeprefix("Value error, ")
    place = str(first["loc"][0]) if first["loc"] else ""
    known = facts.get(place)
    if known is None:  # a rule about several of them; its text names them
        return ParameterError("PARAMETERS", f"{message}.")
    unit = f" {known.unit}" if known.unit else ""
    if first["type"] == "missing":
        example = f", such as {known.name}={known.examples[0]}" if known.examples else ""
        return ParameterError(known.name, "is missing.", hint=f"{known.description} Send it{example}.")
    given = first.get("input")
    if isinstance(given, tuple) and len(first["loc"]) > 1:
        given = given[int(first["loc"][1])]
    takes = {"double": "a number", "long": "an integer"}.get(known.datatype, "text")
    hint = f"It takes {takes}" + (f", {known.range}" if known.range else "") + (f", in{unit}" if unit else "")
    return ParameterError(known.name, f"{str(given)[:SHOWN]!r}: {message[:1].lower()}{message[1:]}.", hint=f"{hint}.")
