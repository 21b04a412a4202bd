"""Recipes that a user writes: in a TOML file, or as changes to one of ours."""

from __future__ import annotations

import json
import math
import re
import tomllib
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, asdict, fields, is_dataclass
from pathlib import Path
from typing import Any

from edge_cifar.backbones import Backbone
from edge_cifar.errors import EdgeCifarError, UsageError, unknown
from edge_cifar.recipe import Augmentation, Phase, Recipe

SUFFIX = ".toml"

# Least and greatest of each number; the greatest are beyond what any training has a use for.
_RANGES: Mapping[str, tuple[float, float]] = {
    "image_size": (1, 4096),
    "batch_size": (1, 65536),
    "weight_decay": (0, 10),
    "label_smoothing": (0, 0.99),
    "weight_averaging": (0, 0.99999),
    "validation_split": (0.0001, 0.9),
    "views": (1, 64),
    "batch_norm_momentum": (0, 0.99999),
    "translation": (0, 1),
    "rotation": (0, 180),
    "zoom": (0, 0.99),
    "cutout": (0, 1),
    "mixup": (0, 1),
    "epochs": (1, 100_000),
    "learning_rate": (1e-12, 1000),
    "warmup_epochs": (0, 100_000),
    "decay": (0, 1),
    "decay_epochs": (1, 100_000),
}


def chosen(backbone: Backbone, recipe: str, changes: Iterable[str], *, from_scratch: bool) -> Recipe:
    """The recipe that a user asked for.

    Args:
        backbone: whose recipes the names are of.
        recipe: a name, or the path of a TOML file.
        changes: each ``recipe.KEY=VALUE``, such as ``recipe.optimizer=sgd`` or ``recipe.phases[0].epochs=5``.
        from_scratch: whether training starts without weights.

    Raises:
        UsageError: there is no such recipe, or a change does not fit it.
        EdgeCifarError: the file cannot be read, or is no recipe.
    """
    path = Path(recipe)
    found = read(path) if path.suffix == SUFFIX else backbone.recipe(recipe, from_scratch=from_scratch)
    changed = list(changes)
    if not changed:
        return found
    document = asdict(found)
    for change in changed:
        _apply(document, change)
    try:
        return from_document(document)
    except _NoRecipeError as error:
        raise UsageError(f"--set: {error}") from error


def read(path: Path) -> Recipe:
    """The recipe in a TOML file.

    Raises:
        EdgeCifarError: it cannot be read, or is no recipe.
    """
    try:
        return from_document(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise EdgeCifarError(f"cannot read the recipe {path}: {error.strerror or error}") from error
    except (UnicodeError, tomllib.TOMLDecodeError) as error:
        raise EdgeCifarError(f"{path} is not valid TOML: {error}") from error
    except _NoRecipeError as error:
        raise EdgeCifarError(f"{path}: {error}") from error


def to_toml(recipe: Recipe) -> str:
    """A recipe as :func:`read` takes it. What is None is left out."""
    document = asdict(recipe)
    phases, augmentation = document.pop("phases"), document.pop("augmentation")
    blocks = [_lines(document), ["[augmentation]", *_lines(augmentation)]]
    blocks += [["[[phases]]", *_lines(phase)] for phase in phases]
    return "\n\n".join("\n".join(block) for block in blocks)


class _NoRecipeError(Exception):
    """What a document says is no recipe."""


def from_document(document: Mapping[str, Any]) -> Recipe:
    """A recipe from plain values, each of its type and within its range."""
    values = dict(document)
    phases = values.pop("phases", None)
    if not isinstance(phases, list | tuple) or not phases:
        raise _NoRecipeError("phases must be a list of at least one phase, each below [[phases]]")
    augmentation = values.pop("augmentation", {})
    recipe = Recipe(
        **_checked(Recipe, values, ""),
        augmentation=Augmentation(**_checked(Augmentation, augmentation, "augmentation.")),
        phases=tuple(Phase(**_checked(Phase, one, f"phases[{place}].")) for place, one in enumerate(phases)),
    )
    for place, phase in enumerate(recipe.phases):
        if phase.warmup_epochs > phase.epochs / 2:
            raise _NoRecipeError(f"phases[{place}].warmup_epochs must be at most half of its epochs, {phase.epochs}")
        if list(phase.step_epochs) != sorted({one for one in phase.step_epochs if 0 < one < phase.epochs}):
            raise _NoRecipeError(f"phases[{place}].step_epochs must ascend and lie between 0 and {phase.epochs}")
    return recipe


def _checked(kind: type[Any], values: Any, where: str) -> dict[str, Any]:
    """The values as the fields of a dataclass; what is missing keeps its default, where there is one."""
    if not isinstance(values, Mapping):
        raise _NoRecipeError(f"{where.rstrip('.')} must be a table; got {values!r}")
    hints = typing.get_type_hints(kind)
    plain = {one.name: one for one in fields(kind) if not is_dataclass(hints[one.name]) and one.name != "phases"}
    for name in values:
        if name not in plain:
            raise _NoRecipeError(str(unknown("setting", f"{where}{name}", [where + known for known in plain])))
    for name, one in plain.items():
        if one.default is MISSING and one.default_factory is MISSING and name not in values:
            raise _NoRecipeError(f"{where}{name} is missing")
    return {name: _typed(hints[name], value, where + name, name) for name, value in values.items()}


def _typed(hint: Any, value: Any, where: str, name: str) -> Any:
    choices = _choices(hint)
    if choices is not None:
        if value not in choices:
            raise _NoRecipeError(str(unknown(where, str(value), choices)))
        return value
    if typing.get_origin(hint) is tuple:
        if not isinstance(value, list | tuple) or not all(isinstance(one, int) for one in value):
            raise _NoRecipeError(f"{where} must be a list of integers; got {value!r}")
        return tuple(value)
    accepted = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    if float in accepted and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) not in accepted:
        words = " or ".join(_WORDS[one] for one in accepted if one in _WORDS)
        raise _NoRecipeError(f"{where} must be {words}; got {value!r}")
    low, high = _RANGES.get(name, (-math.inf, math.inf))
    if isinstance(value, int | float) and not low <= value <= high:
        raise _NoRecipeError(f"{where} must be between {low:g} and {high:g}; got {value:g}")
    return value


_WORDS = {bool: "true or false", int: "an integer", float: "a number", str: "text"}


def _choices(hint: Any) -> tuple[str, ...] | None:
    return typing.get_args(hint) if typing.get_origin(hint) is typing.Literal else None


def _apply(document: dict[str, Any], change: str) -> None:
    """Set one value of a recipe's document."""
    key, equals, text = change.partition("=")
    words = re.findall(r"[^.\[\]]+", key)
    if not equals or len(words) < 2 or words[0] != "recipe":
        raise UsageError(f"--set takes recipe.KEY=VALUE, such as recipe.optimizer=sgd; got {change!r}")
    place: Any = document
    for word in words[1:-1]:
        place = _inside(place, word, key)
    if not isinstance(place, dict) or words[-1] not in place:
        known = list(place) if isinstance(place, dict) else []
        raise unknown(f"setting in {key!r}:", words[-1], known)
    place[words[-1]] = _parsed(text)


def _inside(place: Any, word: str, key: str) -> Any:
    if isinstance(place, list | tuple):
        # A phase, by its number or its name.
        names = {phase["name"]: phase for phase in place} | {str(number): phase for number, phase in enumerate(place)}
        if word in names:
            return names[word]
        raise unknown(f"phase in {key!r}:", word, names)
    if isinstance(place, dict) and word in place:
        return place[word]
    raise unknown(f"setting in {key!r}:", word, place if isinstance(place, dict) else ())


def _parsed(text: str) -> Any:
    """A value as TOML has it; plain text needs no quotes."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _lines(values: Mapping[str, Any]) -> list[str]:
    shown = {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}
    # JSON writes text, numbers, booleans and lists of them as TOML does.
    return [f"{name} = {json.dumps(value)}" for name, value in shown.items() if value is not None]
