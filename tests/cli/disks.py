"""Disks that are full, or take no writes, as only root can make them."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(mount: Path, mode: int = 0o700) -> Iterator[Path]:
    """Yield a file system of a few MiB of its own; only root can make one."""
    mount.mkdir()
    with _mounted(mount, "-t", "tmpfs", "-o", f"size=8m,mode={mode:04o}", "tmpfs"):
        yield mount


@contextmanager
def mounted_read_only(directory: Path) -> Iterator[None]:
    """Let nobody write to the directory, root neither."""
    with _mounted(directory, "--bind", directory):
        subprocess.run(["mount", "-o", "remount,ro,bind", directory], check=True)
        yield


def free_bytes(path: Path) -> int:
    status = os.statvfs(path)
    return status.f_bavail * status.f_frsize


@contextmanager
def _mounted(mount: Path, *what: str | Path) -> Iterator[None]:
    if os.geteuid() != 0:
        pytest.skip("NOT RUN: only root mounts a file system")
    mounted = subprocess.run(["mount", *what, mount], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"NOT RUN: {mounted.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", mount], check=True)
