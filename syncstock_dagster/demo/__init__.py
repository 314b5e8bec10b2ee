"""A made-up chain of three shops as a drop folder, so that everything can be seen at work without real data.

What belongs here: the generator of the folder and running it, and stand-ins of vendors' systems (``vendors``). What
does not: anything that the engine needs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from syncstock_dagster.demo.generate import DemoFile, DemoSummary, generate_drop_folder
    from syncstock_dagster.demo.run import run_demo

__all__ = ["DemoFile", "DemoSummary", "generate_drop_folder", "run_demo"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{'run' if name == 'run_demo' else 'generate'}"), name)
