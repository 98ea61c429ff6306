"""Options of plugin objects: read from text by the types of a frozen dataclass."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Literal, Union

from tlcore.deprecation import warn_deprecated
from tlcore.errors import OptionError, TlcoreError, did_you_mean


@dataclass(frozen=True, kw_only=True)
class OptionInfo:
    """One option, for help texts.

    Attributes:
        name, default, help: as the dataclass states them.
        type: readable, for instance ``"int"`` or ``"none|balanced"``.
    """

    name: str
    type: str
    default: object
    help: str


def describe_options(options: type) -> tuple[OptionInfo, ...]:
    """List what an options dataclass holds, in order."""
    hints = typing.get_type_hints(options)
    return tuple(
        OptionInfo(
            name=field.name,
            type=_type_name(hints[field.name]),
            default=_default(field),
            help=str(field.metadata.get("help", "")),
        )
        for field in dataclasses.fields(options)
    )


def make_options(options: type, values: Mapping[str, object], owner: str) -> Any:
    """Make an options object from values by name; text is read as the field's type, other values must have it.

    Args:
        options: a frozen keyword-only dataclass.
        values: option name to value.
        owner: how errors call whose options they are, for instance ``"head linear"``.

    Raises:
        OptionError: an unknown option, a value of the wrong type or out of the range that the field's metadata states
            (``minimum``, ``maximum``), or a missing required option.

    Warns:
        TlcoreDeprecationWarning: an option whose metadata says that it is ``deprecated`` is given.

    Examples:
        >>> @dataclass(frozen=True, kw_only=True)
        ... class Options:
        ...     steps: int = 10
        >>> make_options(Options, {"steps": "20"}, "head demo").steps
        20
    """
    fields = {field.name: field for field in dataclasses.fields(options)}
    hints = typing.get_type_hints(options)
    parsed: dict[str, object] = {}
    for name, value in values.items():
        key = name.replace("-", "_")
        if key not in fields:
            known = f"it has: {', '.join(fields)}" if fields else "it has none"
            raise OptionError(f"{owner} has no option {name!r}{did_you_mean(key, fields) or ';'} {known}")
        parsed[key] = _parse(value, hints[key], f"{owner}: option {key!r}")
        _check_range(parsed[key], fields[key], f"{owner}: option {key!r}")
        if advice := fields[key].metadata.get("deprecated"):
            warn_deprecated(f"{owner}: option {key!r}", str(advice))
    for name, field in fields.items():
        if name not in parsed and _default(field) is dataclasses.MISSING:
            raise OptionError(f"{owner} needs the option {name!r} ({_type_name(hints[name])})")
    try:
        return options(**parsed)
    except (ValueError, TypeError) as error:
        raise OptionError(f"{owner}: {error}") from error
    except OptionError:
        raise
    except TlcoreError as error:
        raise OptionError(f"{owner}: {error}") from error


def _parse(value: object, hint: Any, where: str) -> object:
    origin = typing.get_origin(hint)
    if origin in (Union, types.UnionType):
        return _parse_optional(value, typing.get_args(hint), where)
    if origin is Literal:
        choices = typing.get_args(hint)
        for choice in choices:
            if value == choice or (isinstance(value, str) and value == str(choice)):
                return choice
        hint_text = did_you_mean(str(value), map(str, choices))
        raise OptionError(f"{where} must be one of {', '.join(map(str, choices))}, got {value!r}{hint_text}")
    if origin is tuple:
        return _parse_tuple(value, typing.get_args(hint), where)
    if isinstance(hint, type) and issubclass(hint, Enum):
        names = {str(member.value): member for member in hint}
        if isinstance(value, hint):
            return value
        if str(value) in names:
            return names[str(value)]
        raise OptionError(f"{where} must be one of {', '.join(names)}, got {value!r}")
    return _parse_plain(value, hint, where)


def _parse_plain(value: object, hint: Any, where: str) -> object:
    if hint is bool:
        if isinstance(value, bool):
            return value
        words = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
        if isinstance(value, str) and value.lower() in words:
            return words[value.lower()]
        raise OptionError(f"{where} must be true or false, got {value!r}")
    if hint in (int, float):
        if isinstance(value, (int, float)) and not isinstance(value, bool) and (hint is float or value == int(value)):
            return hint(value)
        try:
            number = hint(value) if isinstance(value, str) else None
        except ValueError:
            number = None
        if number is None or number != number:
            raise OptionError(f"{where} must be {'a whole number' if hint is int else 'a number'}, got {value!r}")
        return number
    if hint is Path and isinstance(value, (str, Path)):
        return Path(value)
    if hint is str and isinstance(value, str):
        return value
    raise OptionError(f"{where} must be {_type_name(hint)}, got {value!r}")


def _parse_optional(value: object, alternatives: tuple[Any, ...], where: str) -> object:
    if value is None or (isinstance(value, str) and value.lower() == "none" and type(None) in alternatives):
        return None
    last: OptionError | None = None
    for alternative in alternatives:
        if alternative is not type(None):
            try:
                return _parse(value, alternative, where)
            except OptionError as error:
                last = error
    raise last or OptionError(f"{where} cannot be {value!r}")


def _parse_tuple(value: object, item_types: tuple[Any, ...], where: str) -> tuple[object, ...]:
    items: list[object]
    if isinstance(value, str):
        items = [part.strip() for part in value.split(",") if part.strip()]
    elif isinstance(value, (list, tuple)):
        items = list(value)
    else:
        raise OptionError(f"{where} must be values separated by commas, got {value!r}")
    if len(item_types) == 2 and item_types[1] is Ellipsis:
        item_types = (item_types[0],) * len(items)
    if len(items) != len(item_types):
        raise OptionError(f"{where} takes {len(item_types)} values separated by commas, got {len(items)}")
    return tuple(_parse(item, item_type, where) for item, item_type in zip(items, item_types, strict=True))


def _check_range(value: object, field: dataclasses.Field[Any], where: str) -> None:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return
    minimum, maximum = field.metadata.get("minimum"), field.metadata.get("maximum")
    if minimum is not None and value < minimum:
        raise OptionError(f"{where} must be at least {minimum}, got {value}")
    if maximum is not None and value > maximum:
        raise OptionError(f"{where} must be at most {maximum}, got {value}")


def _default(field: dataclasses.Field[Any]) -> object:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def _type_name(hint: Any) -> str:
    origin = typing.get_origin(hint)
    if origin is Literal:
        return "|".join(str(choice) for choice in typing.get_args(hint))
    if origin in (Union, types.UnionType):
        return "|".join(_type_name(part) for part in typing.get_args(hint))
    if origin is tuple:
        return ",".join("..." if part is Ellipsis else _type_name(part) for part in typing.get_args(hint))
    if isinstance(hint, type) and issubclass(hint, Enum):
        return "|".join(str(member.value) for member in hint)
    return "none" if hint is type(None) else getattr(hint, "__name__", str(hint))
