"""The express lane's own tools; what it does to evidence is held by the models (test_model)."""

from __future__ import annotations

import numpy as np
import pytest

from syncstock_dagster.stock.express import _order

SEED = 20_261_122


@pytest.mark.parametrize(
    "largest", [3, 1_000, 2**31, 2**62], ids=["few", "many", "large", "too large for one"]
)
@pytest.mark.parametrize("smallest", [0, -3], ids=["from zero", "below zero"])
def test_places_are_in_the_order_of_the_columns(smallest: int, largest: int) -> None:
    print(f"seed {SEED}")
    rng = np.random.default_rng(SEED)
    columns = [rng.integers(smallest, largest, 500), rng.integers(0, 4, 500), rng.integers(0, largest, 500)]
    rows = list(zip(*(column.tolist() for column in columns), strict=True))
    assert _order(*columns).tolist() == sorted(range(500), key=rows.__getitem__)


def test_no_rows_have_no_order() -> None:
    assert _order(*[np.empty(0, dtype=np.int64)] * 3).tolist() == []
