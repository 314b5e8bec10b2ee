"""The made-up range of goods of the demo: locations and articles.

What belongs here: what the shop sells and where, drawn from a seed. What does not: anything that happens to
the goods (``history``) and files (``files``). Nothing here is copied from real data.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from random import Random


@dataclass(frozen=True, slots=True)
class Location:
    """A shop, its zone, and the local hours in which it sells."""

    code: str
    timezone: str
    opens: int
    closes: int


#: Three zones, of which each begins and ends summer time on a date of its own.
LOCATIONS = (
    Location("london", "Europe/London", 9, 19),
    Location("cairo", "Africa/Cairo", 10, 22),
    Location("newyork", "America/New_York", 10, 20),
)


@dataclass(frozen=True, slots=True)
class Article:
    """One thing that is sold, by the piece or by weight."""

    sku: str
    name: str
    category: str
    price: Decimal
    cost: Decimal
    by_weight: bool


@dataclass(frozen=True, slots=True)
class _Category:
    name: str
    prefix: str
    nouns: tuple[str, ...]
    price: tuple[int, int]  # in hundredths
    by_weight: bool = False


_CATEGORIES = (
    _Category("Kitchen", "KIT", ("Mug", "Teapot", "Cake Tin", "Bowl", "Jug", "Tray", "Whisk"), (299, 2499)),
    _Category("Stationery", "STA", ("Notebook", "Pen Set", "Card", "Folder", "Wrap", "Diary"), (89, 1299)),
    _Category("Toys", "TOY", ("Puzzle", "Spinning Top", "Doll", "Skittles", "Kite"), (399, 2999)),
    _Category("Garden", "GAR", ("Trowel", "Planter", "Bird Feeder", "Watering Can", "Twine"), (349, 3499)),
    _Category("Lighting", "LIG", ("Lantern", "Candle", "T-Light Holder", "Fairy Lights"), (199, 3999)),
    _Category("Bags", "BAG", ("Tote Bag", "Lunch Bag", "Purse", "Backpack", "Shopper"), (499, 4999)),
    _Category("Bath", "BTH", ("Soap", "Towel", "Sponge", "Bath Mat", "Bath Salts"), (149, 2999)),
    _Category("Textiles", "TEX", ("Cushion", "Apron", "Tea Towel", "Blanket", "Runner"), (599, 5999)),
    _Category("Tools", "TLS", ("Screw Box", "Hook Set", "Tape", "Glue", "Brush"), (129, 1999)),
    _Category("Tea and Spices", "TEA", ("Assam", "Sencha", "Cumin", "Mint"), (900, 4500), by_weight=True),
)
_COLOURS = ("White", "Red", "Blue", "Green", "Ivory", "Rose", "Copper", "Black", "Lemon", "Grey", "Plum")
_STYLES = ("Vintage", "Polka Dot", "Striped", "Floral", "Plain", "Paisley", "Retro", "Woodland", "Nautical")
_SIZES = ("", "", " Small", " Large", " Set of 4", " Set of 12", " Mini")

#: Goods by weight are a small part of the range; they are there so that quantities with decimals are.
_WEIGHTS = [12, 12, 12, 12, 12, 12, 12, 10, 10, 2]


def seeded(seed: int, part: str) -> Random:
    """Chance that is the same every time, and for each part of the demo its own."""
    return Random(f"{seed}/{part}")  # noqa: S311 - nothing here is a secret


def make_articles(seed: int, count: int) -> list[Article]:
    """``count`` articles with distinct SKUs in the styles that real shops mix, two differing by case only."""
    rng = seeded(seed, "catalogue")
    articles: list[Article] = []
    taken: set[str] = set()
    while len(articles) < count:
        category = rng.choices(_CATEGORIES, _WEIGHTS)[0]
        noun = rng.choice(category.nouns)
        name = f"{rng.choice(_COLOURS)} {rng.choice(_STYLES)} {noun}{rng.choice(_SIZES)}"
        if category.by_weight:
            name = f"{rng.choice(_STYLES)} Blend {noun}, loose"
        sku = _sku(rng, category.prefix)
        if sku in taken:
            continue
        taken.add(sku)
        price = Decimal(rng.randrange(*category.price)).scaleb(-2)
        cost = (price * rng.randrange(35, 65) / 100).quantize(Decimal("0.01"))
        articles.append(Article(sku, name, category.name, price, cost, category.by_weight))
    # SKUs compare exactly: these two are different goods, and a till that folds case would mix them up.
    for index, sku in ((0, "CUP-1071A"), (1, "CUP-1071a")):
        old = articles[index]
        articles[index] = Article(sku, old.name, old.category, old.price, old.cost, by_weight=False)
    return articles


def _sku(rng: Random, prefix: str) -> str:
    style = rng.random()
    if style < 0.4:
        return f"{rng.randrange(100, 60_000):05d}"  # leading zeros that a spreadsheet likes to eat
    if style < 0.8:
        return f"{prefix}-{rng.randrange(10_000):04d}{rng.choice(('', 'B', 'N', 'X'))}"
    if style < 0.9:
        return f"{rng.randrange(10_000, 99_999)}{rng.choice('ABCDEFG')}"
    return f"50{rng.randrange(10**11):011d}"  # thirteen digits, as on a barcode
