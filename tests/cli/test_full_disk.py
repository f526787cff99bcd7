"""A disk that is full when everything is to be made: one sentence, and the next try goes on."""

import re
from pathlib import Path

from server.cli.restore import RESTORING
from tests.cli.disks import free_bytes, small_disk
from tests.cli.sites import Site
from tests.commands import run


def test_a_first_start_on_a_full_disk_says_why_in_one_line(tmp_path: Path) -> None:
    # PostgreSQL runs as another user, who must come to its directory.
    with small_disk(tmp_path / "disk", mode=0o711) as disk:
        failed = run("serve", disk / "data", "--address", "127.0.0.1:0")

    assert failed.returncode == 1
    assert re.fullmatch(
        r"Error: initdb failed: could not write .*: No space left on device\n", failed.stderr
    )


def test_a_restore_to_a_full_disk_says_which_and_goes_on_when_there_is_room(
    site: Site, tmp_path: Path, empty_database_url: str
) -> None:
    environment = {"S3D_DATABASE_URL": empty_database_url}
    with small_disk(tmp_path / "disk") as disk:
        restore = ("restore", site.archive, "--data", disk / "data")
        filler = disk / "filler"
        filler.write_bytes(b"x" * (free_bytes(disk) - 60_000))

        failed = run(*restore, environment=environment)

        was_begun = (disk / "data" / RESTORING).exists()
        filler.unlink()
        succeeded = run(*restore, environment=environment)
    expected = f"Error: {disk}/data is full; run it again, and it goes on where it stopped: "
    assert (failed.returncode, failed.stderr[: len(expected)]) == (1, expected)
    assert was_begun
    assert succeeded.returncode == 0, succeeded.stderr
