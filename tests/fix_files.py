"""Folders that clients carry to and fro, with names that are awkward and legal."""

import os
import random
from collections.abc import Mapping
from pathlib import Path

import pytest

MIB = 1 << 20
LAST_YEAR = 1_763_000_000

TAME_NAMES = [
    "plain.txt",
    "with space.txt",
    " leading space",
    "trailing space ",
    "two  spaces",
    "plus+plus",
    "percent%",
    "percent%41encoded%2F",
    "hash#mark",
    "amp&equals=",
    "quote'single",
    'quote"double',
    "semi;colon",
    "comma,comma",
    "colon:colon",
    "at@dollar$bang!",
    "tilde~caret^",
    "(parentheses)",
    "{braces}",
    "<angles>",
    "pipe|tick`",
    "-dash-first",
    "..two-dots-first",
    ".hidden",
    "empty",
    "emoji-😀-🗂.txt",
    "nfc-é",  # U+00E9
    "nfd-é",  # e, U+0301: another name, although it looks the same
    "日本語/深い/木.txt",
    "مرحبا.txt",
    "a b/c+d/e%20f/g&h",
    "dots/.../file",
    "upper/UPPER.TXT",
    "upper/upper.txt",
    # A name has 255 bytes at most, and clients add a suffix while they download.
    "long/" + "n" * 200,
    "long/" + "é" * 100,
    "long/" + "/".join(["deep"] * 60) + "/leaf",
]
# Some clients read these as patterns although no shell is between, or rewrite what does not print.
UNTAMED_NAMES = [
    "question?mark",
    "star*star",
    "brackets[1]",
    "back\\slash",
    "tab\there",
    "no-break\u00a0space",
    "joined-\U0001f469\u200d\U0001f467.txt",
]

BIG = "big/9-mib.bin"  # above the sizes at which clients turn to multipart uploads


@pytest.fixture(scope="session")
def tame_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Awkward names that every client can carry, an empty file, one of 9 MiB."""
    return _folder(tmp_path_factory.mktemp("tame"), TAME_NAMES)


@pytest.fixture(scope="session")
def hostile_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Awkward names of all kinds, an empty file, one of 9 MiB."""
    return _folder(tmp_path_factory.mktemp("hostile"), TAME_NAMES + UNTAMED_NAMES)


def _folder(folder: Path, names: list[str]) -> Path:
    rng = random.Random(7)
    for name in names:
        write(folder / name, b"" if name == "empty" else rng.randbytes(rng.randrange(1, 40_000)))
    write(folder / BIG, rng.randbytes(9 * MIB + 1))
    for path in folder.rglob("*"):
        # S3 keeps whole seconds. A file of this second would look newer than its own upload.
        os.utime(path, (LAST_YEAR, LAST_YEAR))
    return folder


def write(path: Path, body: bytes) -> Path:
    """Write a file, with the folders above it; return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(body)
    return path


def contents(folder: Path) -> Mapping[str, bytes]:
    """Return every file of the folder: its path below the folder, and its bytes."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }
