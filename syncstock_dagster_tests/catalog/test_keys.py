"""Articles and categories stay for ever, and nothing names one that is not there."""

from __future__ import annotations

import psycopg
import pytest
from psycopg.errors import ForeignKeyViolation, RestrictViolation

from syncstock_dagster import SyncStockDB


@pytest.mark.parametrize(
    ("statement", "error"),
    [
        ("delete from products", RestrictViolation),
        ("truncate products cascade", RestrictViolation),
        ("update products set inventory_id = 2", RestrictViolation),
        ("delete from categories", RestrictViolation),
        ("truncate categories cascade", RestrictViolation),
        ("update categories set category_id = 99", RestrictViolation),
        ("insert into products (sku, category_id) values ('B', null), ('C', 99)", ForeignKeyViolation),
        ("update products set category_id = 99", ForeignKeyViolation),
        ("insert into product_identifiers values ('zoho', '1', 1), ('zoho', '2', 2)", ForeignKeyViolation),
        ("update product_identifiers set inventory_id = 2", ForeignKeyViolation),
    ],
)
def test_what_names_an_article_or_a_category_is_held_to_it(
    db: SyncStockDB, statement: str, error: type[Exception]
) -> None:
    db.upsert_products([{"inventory_id": 1, "sku": "A", "category": "Food"}])
    with psycopg.connect(db.url, options="-c search_path=syncstock,public") as connection:
        connection.execute("insert into product_identifiers values ('rms', 'A-1', 1)")
        connection.commit()
        with pytest.raises(error):
            connection.execute(statement.encode())
        connection.rollback()
        connection.execute("insert into product_identifiers values ('rms', 'A-2', 1)")
        connection.execute("update products set inventory_id = 1, category_id = null")
    assert db.audit() == {}
