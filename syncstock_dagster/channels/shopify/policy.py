"""What the shop's owner decides about Shopify: the ``[shopify]`` table of ``syncstock.toml``, and how one run is done.

What belongs here: typed forms with defaults, and where the two kinds of settings meet. What does not: addresses and
secrets, which are settings of the machine.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from syncstock_dagster.settings import Settings
from syncstock_dagster.stock.policy import ConfigError

_LOCATION = "gid://shopify/Location/"


class ShopifyPolicy(BaseModel):
    """The whole ``[shopify]`` table."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    #: Where a product says its style code, as ``namespace.key``; the first that has a value counts.
    metafields: tuple[str, ...] = Field(default=("rms.ccod",), min_length=1)
    #: Who knows what should be there: ``own`` (SyncStock's stock), ``rms`` (``[vendors.rms]``), or
    #: ``package.module:function``, which is called with style codes and yields (sku, style_code, location, quantity,
    #: updated_at).
    truth: str = "own"
    #: ``on_hand`` where the truth is what lies there; ``available`` only where it is net of open orders.
    quantity: Literal["on_hand", "available"] = "on_hand"
    #: A location of the shop (its id) to the truth's locations whose stock it has, added up.
    locations: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    #: Whether levels are sent at once, or a plan waits until somebody applies it.
    updates: Literal["automatic", "approve"] = "automatic"
    #: Whether variants go at once, or when somebody has approved it.
    deletions: Literal["approve", "automatic"] = "approve"
    #: A variant that was sold within so many days stays.
    recent_order_days: int = Field(default=30, ge=1, le=60)
    tag_prefix: str = Field(default="RMS-SYNC-", min_length=3)
    reason: str = "correction"
    #: How long to wait for a product that another run holds.
    lock_seconds: float = Field(default=5, ge=0, le=300)
    #: A plan older than this is made anew before anything of it is sent.
    plan_minutes: float = Field(default=10, gt=0)

    @field_validator("metafields")
    @classmethod
    def _named(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if wrong := [name for name in names if "." not in name]:
            raise ValueError(f"{wrong[0]!r} is not namespace.key")
        return names

    @field_validator("truth")
    @classmethod
    def _callable(cls, truth: str) -> str:
        if truth not in ("own", "rms") and ":" not in truth:
            raise ValueError("must be own, rms or package.module:function")
        return truth

    @field_validator("locations")
    @classmethod
    def _full_ids(cls, locations: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        full = {
            one if one.startswith(_LOCATION) else f"{_LOCATION}{one}": codes
            for one, codes in locations.items()
        }
        if wrong := [
            one for one, codes in full.items() if not one.removeprefix(_LOCATION).isdigit() or not codes
        ]:
            raise ValueError(
                f"{wrong[0]!r} must be the number of a location of the shop, and name stock of ours"
            )
        return full


def load_shopify_policy(path: Path | None) -> ShopifyPolicy:
    """The ``[shopify]`` table of a TOML file; no file means the defaults.

    Raises:
        ConfigError: the file is not TOML, or a key or value is not known.
    """
    if path is None:
        return ShopifyPolicy()
    try:
        return ShopifyPolicy.model_validate(
            tomllib.loads(path.read_text(encoding="utf-8")).get("shopify", {})
        )
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from error
    except ValidationError as error:
        what = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise ConfigError(f"{path}: [shopify] {what}") from error


@dataclass(frozen=True, slots=True)
class Options:
    """How one run is done."""

    delete_zero_stock: bool = True
    batch_size: int = 50
    preserve_single_variant: bool = True
    max_concurrent: int = 10
    limit: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for the record."""
        return asdict(self)

    @classmethod
    def from_record(cls, stored: Mapping[str, Any]) -> Options:
        """Those that a run was begun with."""
        return cls(**{name: value for name, value in stored.items() if name in cls.__slots__})

    @classmethod
    def of(cls, settings: Settings, **given: Any) -> Options:
        """Those of the settings, but for what was given."""
        values: dict[str, Any] = {
            "delete_zero_stock": settings.reverse_sync_delete_zero_stock,
            "batch_size": settings.reverse_sync_batch_size,
            "preserve_single_variant": settings.reverse_sync_preserve_single_variant,
            "max_concurrent": settings.reverse_sync_max_concurrent,
        }
        return cls(**(values | {name: value for name, value in given.items() if value is not None}))
