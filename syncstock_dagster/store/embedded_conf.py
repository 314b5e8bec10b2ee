"""The settings of the embedded server, by the size of the machine.

Put here what stands in ``syncstock.conf``; it is written anew at every start and included from
``postgresql.conf``, so that settings follow an upgrade of this package. What an administrator sets with
``ALTER SYSTEM`` wins over it. Keep out how the server is started.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

MEBIBYTE = 1024 * 1024
GIBIBYTE = 1024 * MEBIBYTE

# Each home has its own socket folder, so the port only names the socket and never collides.
PORT = 5432


def machine_memory() -> int:
    """Bytes of memory to count on: the machine's, or less where the control group is limited."""
    limits = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        # Absent outside control groups; "max" where nothing is limited.
        with suppress(OSError, ValueError):
            limits.append(int(Path(path).read_text()))
    return min(limits)


def server_settings(memory: int, disk: int, socket_directory: Path) -> dict[str, str]:
    """The server's settings, by name.

    Args:
        memory: Bytes of memory of the machine.
        disk: Bytes free where the data lies.
        socket_directory: The folder of the socket: absolute, private, without spaces or commas.
    """

    def megabytes(amount: int, *, least: int = 1) -> str:
        return f"{max(amount // MEBIBYTE, least)}MB"

    return {
        # Reached through the socket alone; its folder is private to the account.
        "listen_addresses": "",
        "unix_socket_directories": str(socket_directory),
        "unix_socket_permissions": "0700",
        "port": str(PORT),
        "max_connections": "100",
        # Room for "is it running?" and "stop" when everybody else is connected.
        "superuser_reserved_connections": "5",
        # 128 MB, the default, was 2.5 times slower on ten million ledger entries.
        "shared_buffers": megabytes(min(memory // 4, 4 * GIBIBYTE), least=16),
        "effective_cache_size": megabytes(memory * 3 // 4, least=64),
        # On a small machine the usual amounts would add up to more than there is.
        "work_mem": megabytes(min(memory // 64, 64 * MEBIBYTE), least=4),
        "maintenance_work_mem": megabytes(min(memory // 16, 512 * MEBIBYTE), least=16),
        # Containers often have 64 MB there, too little for one parallel hash join.
        "dynamic_shared_memory_type": "posix" if _shared_memory_folder() >= GIBIBYTE else "mmap",
        # The writer of the log takes it away five times a second, on a processor of its own; what does not fit until
        # then, a large statement has to write itself: with 16 MB, the default, it took a tenth longer.
        "wal_buffers": megabytes(min(memory // 128, 64 * MEBIBYTE)),
        # The largest write-ahead log between two checkpoints; a quarter of what is free on a small disk.
        "max_wal_size": megabytes(min(disk // 4, 8 * GIBIBYTE), least=64),
        "checkpoint_timeout": "15min",
        # Only pglz was built in: loading was 7.5 times slower with it.
        "wal_compression": "off",
        "jit": "off",
        # A killed client's locks would otherwise live until its statement ends.
        "client_connection_check_interval": "1s",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "datestyle": "iso, ymd",
        # The start-up code reads the server's messages.
        "lc_messages": "C",
        "log_destination": "stderr",
        "logging_collector": "off",
        "log_line_prefix": "%m [%p] %q%u@%d/%a ",
        "log_checkpoints": "off",
        "log_autovacuum_min_duration": "-1",
        "log_lock_waits": "on",
        "log_temp_files": "1GB",
    }


def conf_text(settings: dict[str, str]) -> str:
    """The text of ``syncstock.conf`` for `settings`."""
    lines = [f"{name} = '{_quoted(value)}'\n" for name, value in settings.items()]
    return (
        "# Written by SyncStock at every start of the server. Use ALTER SYSTEM for settings of your own.\n"
        + ("".join(lines))
    )


def conf_for(data_directory: Path, socket_directory: Path) -> str:
    """The text of ``syncstock.conf`` for this machine and the disk of `data_directory`."""
    disk = shutil.disk_usage(data_directory.parent).free
    return conf_text(server_settings(machine_memory(), disk, socket_directory))


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace("'", "''")


def _shared_memory_folder() -> int:
    """Bytes free for POSIX shared memory; as good as unlimited on systems that keep it elsewhere."""
    with suppress(OSError):
        return shutil.disk_usage("/dev/shm").free  # noqa: S108  # measured, not written to
    return 64 * GIBIBYTE
