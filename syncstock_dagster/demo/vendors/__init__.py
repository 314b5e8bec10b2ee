"""Stand-ins for vendors: small servers that behave as the vendors' interfaces are documented to, faults included.

What belongs here: one module a vendor, and serving one on loopback. What does not: our side of the conversation
(``sources``). Tests ask them in-process, the demo over a port of this machine.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_PATIENCE = 10.0


@contextmanager
def served(app: Any) -> Iterator[str]:
    """The address of a stand-in that answers on loopback until the end."""
    import uvicorn

    server = uvicorn.Server(
        uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error", lifespan="off", access_log=False)
    )
    thread = threading.Thread(target=server.run, name="vendor", daemon=True)
    thread.start()
    patience = time.monotonic() + _PATIENCE
    while not server.started:
        if not thread.is_alive() or time.monotonic() > patience:
            raise RuntimeError("The stand-in does not start.")
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(_PATIENCE)
