"""The files of a snapshot, as backups, restores and retention read them."""

import tracemalloc
from pathlib import Path

from server.jobs.snapshot import blobs_of, rows_file

COLUMNS = ("digest", "size", "block_crcs")
ROWS = 50_000


def write_rows(directory: Path) -> None:
    """Write the rows of so many blobs, as COPY spells them."""
    line = "\\\\x{:064x}\t{}\t\\\\x{}\n"
    text = "".join(line.format(number, number, "00" * 40) for number in range(ROWS))
    rows_file(directory, "blob").write_text(text, encoding="ascii")


def test_blobs_come_with_their_sizes_in_the_order_of_the_file(tmp_path: Path) -> None:
    write_rows(tmp_path)

    found = list(blobs_of(tmp_path, COLUMNS))

    assert found == [(number.to_bytes(32, "big"), number) for number in range(ROWS)]


def test_a_list_of_blobs_that_is_gone_through_holds_little_of_it(tmp_path: Path) -> None:
    """Retention goes through those of all snapshots at once."""
    write_rows(tmp_path)
    blobs = blobs_of(tmp_path, COLUMNS)
    tracemalloc.start()
    try:
        next(blobs)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert rows_file(tmp_path, "blob").stat().st_size > 5 << 20
    assert peak < 1 << 20
