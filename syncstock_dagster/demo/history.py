"""Sixty days in three shops: what happened to the goods, and what was written down about it.

What belongs here: the simulation. The shelf (what is really there) moves event by event in the order of time.
Beside it grows the evidence, each piece with the moment it is delivered, and what people get wrong about it:
late files, lost delivery notes, miscounts, theft. What does not: the form of files (``files``), and copies,
conflicts and bad rows, which exist only as files (``flaws``).

Because the shelf comes first and the papers follow from it, the stock and the verdicts that the engine must
reach are known without asking the engine.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from itertools import accumulate

from syncstock_dagster.demo.catalogue import LOCATIONS, Article, Location, make_articles, seeded
from syncstock_dagster.demo.papers import CountLine, CountSheet, Expected, Movement, MovementFile, Quantity

#: Days of the shops' own week, which ends with the last day, whatever the calendar calls that: what happens, and every
#: number that follows from it, is the same on whatever day the history ends.
MONDAY, TUESDAY, WEDNESDAY, THURSDAY, SUNDAY = 0, 1, 2, 3, 6
LONDON, CAIRO, NEWYORK = range(len(LOCATIONS))

#: The default gate, in units: below the first applied, above the second held, between them reviewed.
REVIEW_FROM, HOLD_ABOVE = 10, 100

#: The first articles are kept out of the everyday trade: something particular happens to each of them.
SPECIAL = 30

#: (article, shop, variance) found by the stocktake of the second Sunday. All sides of both edges of the gate.
LOSSES_AND_MISCOUNTS = (
    (2, LONDON, -9), (3, LONDON, -10), (4, LONDON, -99), (5, LONDON, -100), (6, LONDON, -101),
    (7, CAIRO, 9), (8, CAIRO, 10), (9, CAIRO, 11), (10, CAIRO, 99), (11, CAIRO, 101),
    (12, NEWYORK, -11), (13, NEWYORK, 100), (14, NEWYORK, -160), (15, NEWYORK, 1800), (16, NEWYORK, 54),
)  # fmt: skip

#: A purchase of 150 that arrives before the second Sunday and is booked after it: held first, then released.
BOOKED_LATE = (20, CAIRO)
#: A purchase of 150 dated before the second Sunday that arrives after it: the applied count is flagged.
DATED_TOO_EARLY = (21, NEWYORK)
#: Goods sold from a delivery whose note was lost: the books go below zero.
NOTE_LOST = ((22, LONDON), (23, CAIRO))
#: Sold at the market stall as well; one of its day totals is restated.
RESTATED = (24, CAIRO)
#: Counted on the second Sunday though no catalogue knows it; a count sheet may bring an article into being.
NOT_IN_CATALOGUE = CountLine("NEW-0001", "Sample box, no label", 12)

_STALL = range(SPECIAL, SPECIAL + 12)
#: A till's file of every ninth day is delivered three days late, in the night to the fourth day after.
_LATE_EVERY, _LATE_DAYS = 9, 3
#: UTC: a day's last papers come in the night after it, before this hour.
NIGHT_ENDS = 3
_RECEIPT_LINES = ((1, 2, 3, 4, 5, 6), (30, 26, 18, 12, 8, 6))
#: What a till's count finds: nothing, or a piece or two.
_LITTLE = (0, 0, 0, 0, 0, 0, -1, -1, 1, -2)
_PIECES = ((1, 2, 3, 4, 6), (62, 20, 8, 6, 4))


@dataclass(slots=True)
class History:
    """Everything that was written down, grouped as it is delivered."""

    articles: list[Article]
    days: list[date]
    movements: dict[str, MovementFile]
    counts: dict[str, CountSheet]
    expected: Expected


def simulate(seed: int, articles: int, days: int, last_day: date) -> History:
    """Play ``days`` days that end with ``last_day``."""
    return _Simulation(seed, articles, days, last_day).play()


@dataclass(slots=True)
class _Shop:
    """One shop during the simulation. Lists are indexed by article."""

    index: int
    location: Location
    shelf: list[Quantity]
    reorder_at: list[int]
    popularity: list[float]  # cumulated
    #: The last count in force, and the evidence after it: when delivered, and its effect.
    booked: list[Quantity] = field(default_factory=list)
    since: list[list[tuple[datetime, Quantity]]] = field(default_factory=list)
    orders: defaultdict[date, dict[int, int]] = field(default_factory=lambda: defaultdict(dict))
    ordered: set[int] = field(default_factory=set)
    arrivals: defaultdict[date, list[tuple[int, Quantity, datetime]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    sold: list[tuple[str, int]] = field(default_factory=list)  # pieces that may be brought back

    def book(self, article: int, known_at: datetime | None = None) -> Quantity:
        """What the evidence adds up to; with ``known_at``, what it added up to by then."""
        since = self.since[article]
        return self.booked[article] + sum(e for at, e in since if known_at is None or at <= known_at)

    def move(self, article: int, effect: Quantity, delivered_at: datetime) -> None:
        """Goods move, and evidence of it will be delivered."""
        self.shelf[article] += effect
        self.since[article].append((delivered_at, effect))


class _Simulation:
    def __init__(self, seed: int, articles: int, days: int, last_day: date) -> None:
        self.rng = seeded(seed, "history")
        self.articles = make_articles(seed, articles)
        self.days = [last_day - timedelta(days=days - 1 - n) for n in range(days)]
        self.stocktake = [day for day in self.days if self._weekday(day) == SUNDAY][1]
        self.lines_a_day = articles // 5
        self.movements: dict[str, MovementFile] = {}
        self.counts: dict[str, CountSheet] = {}
        self.expected = Expected()
        self.shops = [self._open_shop(index) for index in range(len(LOCATIONS))]

    def play(self) -> History:
        """Every day in every shop, in the order of time."""
        for shop in self.shops:
            self._count_openings(shop)
        for number, day in enumerate(self.days):
            for shop in self.shops:
                self._morning(shop, day)
                if shop.index == number % len(self.shops):
                    self._till_count(shop, day)
                self._trade(shop, number, day)
                if self._weekday(day) == SUNDAY:
                    self._sunday_count(shop, day)
            if self._weekday(day) == TUESDAY:
                self._send_transfers(day)
        for shop in self.shops:
            for index, article in enumerate(self.articles):
                self.expected.on_hand[article.sku, shop.location.code] = shop.book(index)
        new = NOT_IN_CATALOGUE
        self.expected.on_hand[new.sku, LOCATIONS[LONDON].code] = new.quantity
        self.expected.lines = sum(len(file.rows) for file in self.movements.values())
        return History(self.articles, self.days, self.movements, self.counts, self.expected)

    def _open_shop(self, index: int) -> _Shop:
        """A few articles make most of the trade, and not the same ones in every shop."""
        ranks = list(range(len(self.articles)))
        self.rng.shuffle(ranks)
        weights = [0.0 if article < SPECIAL else (rank + 6) ** -0.75 for article, rank in enumerate(ranks)]
        total = sum(weights)
        shelf: list[Quantity] = []
        reorder_at: list[int] = []
        for article, weight in enumerate(weights):
            pieces_a_day = self.lines_a_day * weight / total * 1.8
            reorder_at.append(int(pieces_a_day * 7) + 3)
            shelf.append(int(pieces_a_day * self.rng.uniform(14, 30)) + self.rng.randrange(6, 25))
            if article < SPECIAL:
                shelf[article] = self.rng.randrange(200, 400)
        for article, where in NOTE_LOST:
            if where == index:
                shelf[article] = 20
        return _Shop(index, LOCATIONS[index], shelf, reorder_at, list(accumulate(weights)))

    def _count_openings(self, shop: _Shop) -> None:
        """On the evening before the first day everything is counted."""
        code, day = shop.location.code, self.days[0] - timedelta(days=1)
        sheet = CountSheet(
            f"counts/{day}-{code}-opening.xlsx",
            _utc(self.days[0], 2, 30),
            code,
            datetime.combine(day, time(20, 30)),
            "everybody",
            [CountLine(a.sku, a.name, pieces) for a, pieces in zip(self.articles, shop.shelf, strict=True)],
        )
        self.counts[sheet.path] = sheet
        shop.booked = list(shop.shelf)
        shop.since = [[] for _ in shop.shelf]
        self.expected.openings += len(sheet.lines)

    def _morning(self, shop: _Shop, day: date) -> None:
        """Before the doors open: purchases and transfers arrive, the stall takes its goods at midnight."""
        if shop.index == CAIRO:
            self._stall(shop, day)
        self._purchases(shop, day)
        for article, quantity, delivered_at in shop.arrivals.pop(day, ()):
            shop.move(article, quantity, delivered_at)
        for article, where in NOTE_LOST:
            if where == shop.index and day == self.days[7]:
                shop.shelf[article] += 300  # the delivery whose note nobody has

    def _stall(self, shop: _Shop, day: date) -> None:
        """A market stall tells its sales as totals of the day, once a week."""
        sunday = day + timedelta(days=SUNDAY - self._weekday(day))
        delivered_at = _utc(sunday + timedelta(days=1), 2, 55)
        file = self._file(f"sales/{sunday}-cairo-stall.csv", delivered_at)
        restated = RESTATED[0]
        for article in (*_STALL, restated):
            if self.articles[article].by_weight:
                continue
            parts = [self.rng.randrange(1, 4)]
            if article == _STALL[0]:
                parts.append(self.rng.randrange(1, 3))  # morning and afternoon: parts of one total are summed
            sold = sum(parts)
            if shop.shelf[article] < sold + 2:
                continue
            told = [Movement(None, None, self.articles[article].sku, "cairo", part, day) for part in parts]
            if article == restated and day == self.stocktake - timedelta(days=1):
                sold += 2
                restated_at = delivered_at + timedelta(days=1)
                again = self._file(f"sales/{sunday}-cairo-stall_restated.csv", restated_at)
                again.rows.append(told[0]._replace(quantity=sold))
            file.rows.extend(told)
            shop.move(article, -sold, delivered_at)

    def _purchases(self, shop: _Shop, day: date) -> None:
        orders = shop.orders.pop(day, {})
        code = shop.location.code
        if orders:
            # Three senders, three kinds of file.
            kind = ("csv", "xlsx", "parquet")[shop.index]
            file = self._file(f"purchases/{day}-{code}.{kind}", _utc(day, 16))
            at = datetime.combine(day, time(7, 30))
            for number, (article, quantity) in enumerate(sorted(orders.items())):
                document = f"PO-{code[:1].upper()}{day:%y%m%d}-{number // 12:02d}"
                # London's supplier numbers no lines, and now and then splits one into two that look the same.
                line = None if shop.index == LONDON else str(number % 12 + 1)
                parts = [quantity]
                if line is None and number % 20 == 7 and quantity % 2 == 0:
                    parts = [quantity // 2] * 2
                for part in parts:
                    file.rows.append(
                        Movement(
                            document, line, self.articles[article].sku, code, part, at,
                            unit_price=self.articles[article].cost,
                        )
                    )  # fmt: skip
                shop.move(article, quantity, file.delivered_at)
                shop.ordered.discard(article)
        if day == self.stocktake - timedelta(days=3):
            for (article, where), on_the_shelf in ((BOOKED_LATE, True), (DATED_TOO_EARLY, False)):
                if where == shop.index:
                    self._purchase_booked_late(shop, day, article, on_the_shelf)

    def _purchase_booked_late(self, shop: _Shop, day: date, article: int, on_the_shelf: bool) -> None:
        code = shop.location.code
        file = self._file(f"purchases/{day}-{code}_late.csv", _utc(self.stocktake + timedelta(days=2), 16))
        at = datetime.combine(day, time(7, 45))
        sku, cost = self.articles[article].sku, self.articles[article].cost
        file.rows.append(
            Movement(f"PO-{code[:1].upper()}{day:%y%m%d}-LATE", "1", sku, code, 150, at, unit_price=cost)
        )
        shop.move(article, 150, file.delivered_at)
        if not on_the_shelf:
            shop.shelf[article] -= 150

    def _trade(self, shop: _Shop, number: int, day: date) -> None:
        """The opening hours, minute by minute; on Wednesday a cycle count is made while the shop sells."""
        rng, place = self.rng, shop.location
        late = (number + 3 * shop.index) % _LATE_EVERY == 4 and number + _LATE_DAYS <= len(self.days)
        file = self._file(
            f"sales/{day}-{place.code}.csv", _utc(day + timedelta(days=_LATE_DAYS if late else 1), 2, 45)
        )
        busy = (0.85, 0.8, 0.9, 1.0, 1.2, 1.35, 0.9)[self._weekday(day)]
        receipts = int(self.lines_a_day * busy / 2.6)
        minutes = sorted(rng.choices(range(place.opens * 60, place.closes * 60), k=receipts))
        lengths = rng.choices(*_RECEIPT_LINES, k=receipts)
        wanted = iter(rng.choices(range(len(self.articles)), cum_weights=shop.popularity, k=sum(lengths)))
        noon = 12 * 60 + 15 if self._weekday(day) == WEDNESDAY else None
        midnight = datetime.combine(day, time())
        for receipt, (minute, length) in enumerate(zip(minutes, lengths, strict=True), 1):
            if noon is not None and minute > noon:  # a sale of the very minute is inside the count
                self._wednesday_count(shop, day)
                noon = None
            document = f"{place.code[:1].upper()}{day:%y%m%d}-{receipt:04d}"
            at = midnight + timedelta(minutes=minute)
            for line in range(1, length + 1):
                self._sell(shop, file, document, str(line), next(wanted), at)
            if shop.sold and rng.random() < 0.03:
                self._bring_back(shop, file, document, at)
        if noon is not None:
            self._wednesday_count(shop, day)
        for article, where in NOTE_LOST:
            if where == shop.index:
                self._sell(shop, file, f"{place.code[:1].upper()}{day:%y%m%d}-9999", "1", article, at, 2)
        self._adjust(shop, day)
        self._reorder(shop, day)

    def _sell(
        self,
        shop: _Shop,
        file: MovementFile,
        document: str,
        line: str,
        article: int,
        at: datetime,
        pieces: int | None = None,
    ) -> None:
        """Sell what is asked for, as far as it is on the shelf."""
        rng, sold = self.rng, self.articles[article]
        quantity: Quantity
        if pieces is not None:
            quantity = pieces
        elif sold.by_weight:
            quantity = Decimal(rng.randrange(50, 1500)).scaleb(-3)
        else:
            quantity = rng.choices(*_PIECES)[0]
        quantity = min(quantity, shop.shelf[article])
        if quantity <= 0:
            return
        file.rows.append(
            Movement(document, line, sold.sku, shop.location.code, quantity, at, unit_price=sold.price)
        )
        shop.move(article, -quantity, file.delivered_at)
        if not sold.by_weight and rng.random() < 0.05:
            shop.sold.append((document, article))

    def _bring_back(self, shop: _Shop, file: MovementFile, document: str, at: datetime) -> None:
        """One piece of an earlier receipt comes back: a negative sale under a document of its own."""
        _, article = shop.sold.pop(self.rng.randrange(len(shop.sold)))
        back = self.articles[article]
        file.rows.append(
            Movement(f"R{document}", "1", back.sku, shop.location.code, -1, at, "return", back.price)
        )
        shop.move(article, 1, file.delivered_at)

    def _adjust(self, shop: _Shop, day: date) -> None:
        """What the staff notice themselves, written on a list that is handed in twice a week."""
        handed_in = self._next(day, MONDAY, THURSDAY)
        file = self._file(f"movements/{handed_in}-adjustments.csv", _utc(handed_in, 2, 50))
        code = shop.location.code
        for number in range(self.rng.randrange(5)):
            article = self.rng.randrange(SPECIAL, len(self.articles))
            reason, sign = self.rng.choice((("damage", -1), ("theft", -1), ("damage", -1), ("found", 1)))
            quantity = sign * self.rng.randrange(1, 5)
            if self.articles[article].by_weight or shop.shelf[article] + quantity < 0:
                continue
            at = datetime.combine(day, time(shop.location.closes, 5 + number))
            document = f"ADJ-{code[:1].upper()}{day:%y%m%d}-{number}"
            file.rows.append(Movement(document, "1", self.articles[article].sku, code, quantity, at, reason))
            shop.move(article, quantity, file.delivered_at)

    def _reorder(self, shop: _Shop, day: date) -> None:
        """What runs low today comes with the supplier's next lorry: Monday or Thursday, not tomorrow."""
        lorry = self._next(day + timedelta(days=1), MONDAY, THURSDAY)
        for article in range(SPECIAL, len(self.articles)):
            if shop.shelf[article] <= shop.reorder_at[article] and article not in shop.ordered:
                shop.ordered.add(article)
                quantity = shop.reorder_at[article] * 3 + self.rng.randrange(8, 30)
                shop.orders[lorry][article] = quantity - quantity % 6 + 6

    def _send_transfers(self, day: date) -> None:
        """On Tuesday evening goods leave for the next shop; they are there on Thursday morning."""
        arrival_day = day + timedelta(days=2)
        file = self._file(f"movements/{day}-transfers.csv", _utc(day + timedelta(days=1), 2, 40))
        for sender in self.shops:
            receiver = self.shops[(sender.index + 1) % len(self.shops)]
            for number in range(max(len(self.articles) // 100, 3)):
                article = self.rng.randrange(SPECIAL, len(self.articles))
                quantity = self.rng.randrange(2, 9)
                if self.articles[article].by_weight or sender.shelf[article] < 2 * quantity:
                    continue
                document = f"T-{sender.location.code[:1].upper()}{day:%y%m%d}-{number:02d}"
                sku = self.articles[article].sku
                left = datetime.combine(day, time(18))
                there = datetime.combine(arrival_day, time(8))
                sent, received = sender.location.code, receiver.location.code
                file.rows.append(
                    Movement(document, "1", sku, sent, quantity, left, to_location=received, arrives=there)
                )
                sender.move(article, -quantity, file.delivered_at)
                receiver.arrivals[arrival_day].append((article, quantity, file.delivered_at))

    def _till_count(self, shop: _Shop, day: date) -> None:
        """Before the doors open the till has a shelf counted, in each shop in its turn; tills are believed."""
        code = shop.location.code
        at = datetime.combine(day, time(shop.location.opens - 1, 30))
        sheet = CountSheet(f"counts/pos/{day}-{code}.csv", _utc(day, 15), code, at, "till")
        self._count(shop, sheet, max(len(self.articles) // 100, 3), _LITTLE)

    def _wednesday_count(self, shop: _Shop, day: date) -> None:
        code = shop.location.code
        at = datetime.combine(day, time(12, 15))
        sheet = CountSheet(f"counts/{day}-{code}-cycle.csv", _utc(day, 18), code, at, self._somebody())
        self._count(shop, sheet, len(self.articles) // 16)

    def _sunday_count(self, shop: _Shop, day: date) -> None:
        """After closing; the sheet is in the system before the till's file of the same day."""
        code = shop.location.code
        at = datetime.combine(day, time(shop.location.closes, 30))
        delivered_at = _utc(day + timedelta(days=1), 2, 30)
        sheet = CountSheet(f"counts/{day}-{code}-week.xlsx", delivered_at, code, at, self._somebody())
        self._count(shop, sheet, len(self.articles) // 8)
        if day == self.stocktake:
            self._count_the_special(shop, sheet)

    def _somebody(self) -> str:
        return self.rng.choice(("A. Haddad", "J. Miller", "S. Okoye", "L. Brandt", "M. Farouk"))

    def _count(
        self, shop: _Shop, sheet: CountSheet, size: int, variances: Sequence[int] | None = None
    ) -> None:
        """Count some articles. Most agree with the books; a few do not, and the shelf is right."""
        self.counts[sheet.path] = sheet
        for article in sorted(self.rng.sample(range(SPECIAL, len(self.articles)), size)):
            found = shop.shelf[article]
            # Papers that are still to come must not move the verdict across an edge of the gate: the special
            # articles show that on purpose, in these it would only make what is expected hard to say.
            for variance in (self.rng.choice(variances) if variances else self._variance(), 0):
                counted = found + variance
                on_arrival = counted - shop.book(article, sheet.delivered_at)
                if counted >= 0 and tier(on_arrival) == tier(counted - shop.book(article)):
                    self._accept(shop, sheet, article, counted)
                    break

    def _variance(self) -> int:
        chance = self.rng.random()
        if chance < 0.85:
            return 0
        if chance < 0.985:
            return self.rng.choice((-4, -3, -2, -2, -1, -1, -1, 1, 1, 2))
        return -self.rng.randrange(12, 40)

    def _accept(self, shop: _Shop, sheet: CountSheet, article: int, counted: Quantity) -> None:
        """A count that is applied, now or in the end: the books follow the shelf."""
        verdict = tier(counted - shop.book(article))
        counted_article = self.articles[article]
        sheet.lines.append(CountLine(counted_article.sku, counted_article.name, counted))
        if tier(counted - shop.book(article, sheet.delivered_at)) == "applied" and verdict != "applied":
            self.expected.flagged += 1
        elif verdict == "review":
            self.expected.review += 1
        else:
            self.expected.applied += 1
        shop.shelf[article] = counted
        shop.booked[article] = counted
        shop.since[article].clear()

    def _count_the_special(self, shop: _Shop, sheet: CountSheet) -> None:
        for article, where, variance in LOSSES_AND_MISCOUNTS:
            if where != shop.index:
                continue
            counted = shop.shelf[article] + variance
            if tier(variance) == "held":
                special = self.articles[article]
                sheet.lines.append(CountLine(special.sku, special.name, counted))
                self.expected.held += 1
            else:
                self._accept(shop, sheet, article, counted)
        if BOOKED_LATE[1] == shop.index:
            self._accept(shop, sheet, BOOKED_LATE[0], shop.shelf[BOOKED_LATE[0]])
        if DATED_TOO_EARLY[1] == shop.index:
            article = DATED_TOO_EARLY[0]
            self._accept(shop, sheet, article, shop.shelf[article])
            shop.shelf[article] += 150
        if shop.index == LONDON:
            sheet.lines.append(NOT_IN_CATALOGUE)
            self.expected.openings += 1

    def _weekday(self, day: date) -> int:
        """Of the shops' own week."""
        return (SUNDAY - (self.days[-1] - day).days) % 7

    def _next(self, day: date, *weekdays: int) -> date:
        """The first day after ``day`` that is one of ``weekdays``."""
        day += timedelta(days=1)
        while self._weekday(day) not in weekdays:
            day += timedelta(days=1)
        return day

    def _file(self, path: str, delivered_at: datetime) -> MovementFile:
        return self.movements.setdefault(path, MovementFile(path, delivered_at))


def tier(variance: Quantity) -> str:
    """The default gate's verdict on one variance."""
    size = variance if variance >= 0 else -variance
    if size < REVIEW_FROM:
        return "applied"
    return "review" if size <= HOLD_ABOVE else "held"


def _utc(day: date, hour: int, minute: int = 0) -> datetime:
    """A moment of delivery, on the clock of the machine that has the folder: UTC, naive."""
    return datetime.combine(day, time(hour, minute))
