"""What lies outside and is only looked at: where evidence comes from.

Define an asset here for a system that is not ours, so that the lineage begins where the data does. Keep out reading it.
"""

from __future__ import annotations

import dagster as dg

#: Other systems that are asked for their stock; ``vendors`` defines these assets.
PULLED = ("zoho_stock", "xorosoft_stock", "rms_stock")

DROP_FOLDER = dg.AssetSpec(
    "drop_folder",
    group_name="sources",
    kinds={"file"},
    owners=["team:shops"],
    description="The folder (or fsspec URL) into which files are dropped: `counts/`, `purchases/`, `sales/`, "
    "`movements/`, `products/`. Observed whenever somebody looks into it: how many files, how many new, refused, or "
    "still being written.",
)

TILL_SYSTEM = dg.AssetSpec(
    "till_system",
    group_name="sources",
    kinds={"file"},
    owners=["team:shops"],
    description="The tills: they export sales into `sales/` and the counts of the tills into `counts/pos/`, or are "
    "asked by a configured reader. Observed with each intake: what came from them last.",
)
