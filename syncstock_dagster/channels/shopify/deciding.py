"""What follows for a product from what the shop has and what the truth says. Pure: it asks nobody.

What belongs here: which level is set to what, which stays as it is and why, which variant may be asked to go. What does
not: reading and sending.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from syncstock_dagster.channels.shopify.shop import ShopProduct, ShopVariant
from syncstock_dagster.channels.shopify.truth import Found, Reading

#: More than the shop takes.
_HIGHEST = 1_000_000_000

#: Reasons for which a level is not ours to keep; a product with no others is in order.
BY_ITSELF = "came to it in the shop by itself"
HARMLESS = frozenset({"not tracked by the shop", "not stocked there by the shop", BY_ITSELF})
SOLD_MEANWHILE = "changed in the shop meanwhile, and the truth does not know of it yet"


@dataclass(frozen=True, slots=True)
class Line:
    """One level: set it to ``quantity`` if it still is ``current``; or leave it, for a reason."""

    variant: ShopVariant
    location: str
    current: int | None
    quantity: int | None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """All about one product."""

    lines: tuple[Line, ...]
    equal: int  # levels that are right
    deletable: tuple[ShopVariant, ...]  # of which the truth says zero everywhere


def style_code(product: ShopProduct, metafields: Sequence[str]) -> str | None:
    """The first of the metafields that has a value."""
    return next((value for name in metafields if (value := product.metafields.get(name, "").strip())), None)


def decide(
    product: ShopProduct,
    style: str | None,
    truth: Reading,
    places: Mapping[str, Sequence[str]],
) -> Decision:
    """What to do with a product; ``places`` are locations of the shop to those of the truth."""
    lines: list[Line] = []
    deletable: list[ShopVariant] = []
    equal = 0
    known = [variant.sku.casefold() for variant in product.variants]
    for variant in product.variants:
        problem = _problem(variant, known)
        found = Found(problem=problem) if problem else truth.find(style, variant.sku)
        for place, codes in places.items():
            line = _line(variant, place, found, codes)
            if line is None:
                equal += 1
            else:
                lines.append(line)
        if is_zero(found, places):
            deletable.append(variant)
    return Decision(tuple(lines), equal, tuple(deletable))


def is_zero(found: Found, places: Mapping[str, Sequence[str]]) -> bool:
    """Whether the truth says zero, in so many words, for every location, those that the shop does not keep included."""
    needed = {code for codes in places.values() for code in codes}
    return (
        found.problem is None
        and needed <= set(found.quantities)
        and all(quantity == 0 for quantity in found.quantities.values())
    )


def target(found: Found, codes: Sequence[str]) -> tuple[int | None, str | None]:
    """What a location of the shop should have: a whole number, never below zero; or why that is not known."""
    if found.problem:
        return None, found.problem
    if missing := [code for code in codes if code not in found.quantities]:
        return None, f"missing in the truth at {', '.join(missing)}, which is not zero"
    total = sum((found.quantities[code] for code in codes), Decimal(0))
    if not total.is_finite() or total != total.to_integral_value():
        return None, f"{total} in the truth is no whole number"
    if total > _HIGHEST:
        return None, f"{total} in the truth is more than the shop takes"
    return max(0, int(total)), None


def _problem(variant: ShopVariant, known: Sequence[str]) -> str | None:
    if not variant.is_tracked:
        return "not tracked by the shop"
    if not variant.sku.strip():
        return "has no SKU in the shop"
    if variant.same_sku or known.count(variant.sku.casefold()) > 1:
        return "has the same SKU as another variant of the shop"
    return None


def _line(variant: ShopVariant, place: str, found: Found, codes: Sequence[str]) -> Line | None:
    current = variant.levels.get(place)
    if current is None and variant.is_tracked:
        return Line(variant, place, None, None, "not stocked there by the shop")
    wanted, reason = target(found, codes)
    if wanted is None:
        return Line(variant, place, current, None, reason)
    return None if wanted == current else Line(variant, place, current, wanted)
