"""What the shop decides about orders: the ``[orders]`` table of ``syncstock.toml``.

What belongs here: its typed form and its defaults. What does not: what orders do.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from syncstock_dagster.catalog.policy import load_table


class OrdersPolicy(BaseModel):
    """The whole ``[orders]`` table."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    #: An article that was neither counted nor synced for so long is synced before it is sold.
    sync_after_hours: float = Field(default=4, gt=0)
    #: How long a reservation holds that does not say it.
    reserve_minutes: float = Field(default=15, gt=0)

    @property
    def sync_after(self) -> timedelta:
        """The same as a time span."""
        return timedelta(hours=self.sync_after_hours)

    @property
    def reserve_for(self) -> timedelta:
        """The same as a time span."""
        return timedelta(minutes=self.reserve_minutes)


def load_orders_policy(path: Path | None) -> OrdersPolicy:
    """The ``[orders]`` table of a TOML file; no file means the defaults.

    Raises:
        ConfigError: the file is not TOML, or a key or value is not known.
    """
    policy: OrdersPolicy = load_table(path, "orders", OrdersPolicy)
    return policy
