"""The GraphQL documents, by name, and what each call of one may cost.

What belongs here: reading the files of ``documents/``, and Shopify's rules of cost. What does not: sending.

Cost is what the documentation says: an object one point, a mutation ten, a connection two and its size times what each
of its nodes costs. It is an estimate; the client corrects it by what the shop answers (``budget``).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    IntValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableNode,
    parse,
)

_FOLDER = Path(__file__).parent / "documents"

#: The most that one query may cost.
MOST_POINTS = 1_000
#: The most entries of an input list, and of a page.
MOST_ENTRIES = 250


@cache
def text_of(name: str) -> str:
    """The document ``documents/<name>.graphql``."""
    return (_FOLDER / f"{name}.graphql").read_text(encoding="utf-8")


@cache
def parsed(text: str) -> DocumentNode:
    """A document as a tree; each is parsed once."""
    return parse(text, no_location=True)


def names() -> list[str]:
    """All documents."""
    return sorted(path.stem for path in _FOLDER.glob("*.graphql"))


def estimate(name: str, variables: Mapping[str, Any]) -> int:
    """The points that a call asks for."""
    return cost_of(parsed(text_of(name)), variables)


def cost_of(document: DocumentNode, variables: Mapping[str, Any]) -> int:
    """The points that a document asks for with these variables."""
    (operation,) = (one for one in document.definitions if isinstance(one, OperationDefinitionNode))
    if operation.operation.value == "mutation":
        return 10 * len(operation.selection_set.selections)
    return max(1, _selections(operation.selection_set, variables))


def _selections(selected: SelectionSetNode | None, variables: Mapping[str, Any]) -> int:
    if selected is None:
        return 0
    total = 0
    for one in selected.selections:
        if isinstance(one, InlineFragmentNode):
            total += _selections(one.selection_set, variables)
        elif isinstance(one, FieldNode) and one.selection_set is not None:
            total += _field(one, variables)
        else:
            assert not isinstance(one, FragmentSpreadNode), "our documents have no named fragments"
    return total


def _field(field: FieldNode, variables: Mapping[str, Any]) -> int:
    name = field.name.value
    if name in ("pageInfo", "userErrors"):
        return 0
    given = {argument.name.value: argument.value for argument in field.arguments}
    if "first" in given:  # a connection: its nodes stand for the objects
        size = _number(given["first"], variables)
        nodes = sum(
            1 + _selections(one.selection_set, variables)
            for one in (field.selection_set.selections if field.selection_set else ())
            if isinstance(one, FieldNode) and one.name.value == "nodes"
        )
        return 2 + size * nodes
    inside = _selections(field.selection_set, variables)
    if name == "nodes" and "ids" in given:
        ids = given["ids"]
        count = len(variables[ids.name.value]) if isinstance(ids, VariableNode) else 1
        return count * (1 + inside)
    return 1 + inside


def _number(value: Any, variables: Mapping[str, Any]) -> int:
    if isinstance(value, VariableNode):
        return int(variables[value.name.value])
    assert isinstance(value, IntValueNode)
    return int(value.value)
