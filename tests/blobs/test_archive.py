"""The directory that backups go to."""

import stat
from contextlib import ExitStack
from pathlib import Path

import pytest

from server.blobs.archive import Archive, Wait
from server.blobs.errors import ArchiveBusy, ArchiveError, BlobLayoutError
from tests.blobs.archives import AT_ONCE
from tests.blobs.bodies import digest_of

NAME, OTHER = "20261128T020500Z", "20261128T020501Z"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "archive"


def finish(archive: Archive, name: str = NAME) -> None:
    """Make a snapshot with one file."""
    directory = archive.begin(name)
    with archive.new_file(directory / "file") as file:
        file.write(b"rows")
    archive.finish(directory)


def test_it_is_made_where_there_is_nothing_and_its_owner_alone_can_read_it(root: Path) -> None:
    with Archive.to_write(root, AT_ONCE) as archive:
        finish(archive)

    modes = {stat.S_IMODE(path.stat().st_mode) for path in (root, *root.rglob("*"))}
    assert modes == {0o700, 0o600}
    with Archive.to_read(root, AT_ONCE) as archive:
        assert archive.finished() == [NAME]
        assert (archive.snapshot(NAME) / "file").read_bytes() == b"rows"


def test_an_empty_directory_is_taken_and_closed_to_others(root: Path) -> None:
    root.mkdir(mode=0o755)
    (root / "lost+found").mkdir()

    with Archive.to_write(root, AT_ONCE):
        pass

    assert stat.S_IMODE(root.stat().st_mode) == 0o700


def test_a_directory_of_something_else_is_refused_and_left_as_it_is(root: Path) -> None:
    (root / "blobs").mkdir(parents=True)

    with (
        pytest.raises(ArchiveError, match="it holds 'blobs'"),
        Archive.to_write(root, AT_ONCE),
    ):
        pass

    assert [path.name for path in root.iterdir()] == ["blobs"]


def test_an_archive_of_another_version_is_refused(root: Path) -> None:
    with Archive.to_write(root, AT_ONCE):
        pass
    (root / "backup").write_bytes(b"s3d backup 2\n")

    for opened in (Archive.to_write(root, AT_ONCE), Archive.to_read(root, AT_ONCE)):
        with pytest.raises(ArchiveError, match="'s3d backup 2'"), opened:
            pass


def test_nothing_is_read_where_there_is_no_archive(root: Path) -> None:
    root.mkdir()

    with pytest.raises(ArchiveError, match="holds no backups"), Archive.to_read(root, AT_ONCE):
        pass

    assert list(root.iterdir()) == []


def test_one_writes_alone_and_several_read_meanwhile(root: Path) -> None:
    with Archive.to_write(root, AT_ONCE):
        refused = pytest.raises(ArchiveBusy, match=f"another backup to {root} is at work")
        with refused, Archive.to_write(root, AT_ONCE):
            pass
        with Archive.to_read(root, AT_ONCE), Archive.to_read(root, AT_ONCE):
            pass


def test_who_reads_and_who_removes_keep_one_another_out(root: Path) -> None:
    with Archive.to_write(root, AT_ONCE) as archive:
        with archive.to_remove(AT_ONCE):
            refused = pytest.raises(ArchiveBusy, match="a backup that removes snapshots")
            with refused, Archive.to_read(root, AT_ONCE):
                pass
            assert Archive.to_list(root).finished() == []
        with Archive.to_read(root, AT_ONCE):
            refused = pytest.raises(ArchiveBusy, match=f"a restore from {root} is at work")
            with refused, archive.to_remove(AT_ONCE):
                pass


def test_an_archive_in_use_is_waited_for(root: Path) -> None:
    said: list[str] = []
    with ExitStack() as first:
        first.enter_context(Archive.to_write(root, AT_ONCE))

        def end_the_first(who: str) -> None:
            said.append(who)
            first.close()

        with Archive.to_write(root, Wait(20, end_the_first)):
            pass

    assert said == [f"another backup to {root}"]


def test_an_archive_is_read_where_nothing_can_be_written(root: Path) -> None:
    """Root writes in spite of modes, so the names are compared."""
    with Archive.to_write(root, AT_ONCE) as archive:
        finish(archive)
    (root / "lock").unlink()
    before = sorted(root.rglob("*"))

    with Archive.to_read(root, AT_ONCE) as archive:
        assert archive.finished() == [NAME]

    assert sorted(root.rglob("*")) == before


def test_a_snapshot_that_was_not_finished_is_none_and_goes_with_the_next_backup(
    root: Path,
) -> None:
    with Archive.to_write(root, AT_ONCE) as archive:
        finish(archive)
        unfinished = archive.begin(OTHER)
        (archive.blobs.staging / "left").write_bytes(b"half")
    with Archive.to_read(root, AT_ONCE) as archive:
        found = archive.finished()

    with Archive.to_write(root, AT_ONCE) as archive:
        assert archive.finished() == found == [NAME]
        assert not unfinished.exists()
        assert list(archive.blobs.staging.iterdir()) == []


def test_a_start_that_was_cut_short_is_finished_by_the_next(root: Path) -> None:
    for left in ({"lock": b""}, {"lock": b"", "backup.new": b"s3d"}, {"backup": b"s3d backup 1\n"}):
        root.mkdir(exist_ok=True)
        for name, text in left.items():
            (root / name).write_bytes(text)
        with pytest.raises(ArchiveError, match="holds no backups"), Archive.to_read(root, AT_ONCE):
            pass
        with Archive.to_write(root, AT_ONCE) as archive:
            finish(archive)
        with Archive.to_read(root, AT_ONCE) as archive:
            assert archive.finished() == [NAME]
        for path in sorted(root.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()


def test_a_snapshot_that_is_removed_takes_no_blob_along(root: Path) -> None:
    with Archive.to_write(root, AT_ONCE) as archive:
        finish(archive)
        finish(archive, OTHER)
        archive.blobs.blob(digest_of(b"body")).write_bytes(b"body")

        archive.remove(NAME)

        assert archive.finished() == [OTHER]
        assert sorted(path.name for path in archive.snapshots.iterdir()) == [OTHER]
        assert archive.blobs.blob(digest_of(b"body")).exists()


def test_blobs_that_nothing_names_are_unlinked_and_nothing_else(root: Path) -> None:
    bodies = [str(number).encode() for number in range(5)]
    with Archive.to_write(root, AT_ONCE) as archive:
        for body in bodies:
            (archive.blobs.root / "00" / digest_of(body).hex()).write_bytes(body)
        for body in bodies[:2]:  # which were found rotten, and copied anew
            place = archive.blobs.root / "00" / digest_of(body).hex()
            place.with_suffix(".rotten").write_bytes(b"rot")
        foreign = archive.blobs.root / "00" / "README"
        foreign.write_text("mine")

        unlinked = archive.unlink_all_but("00", {digest_of(bodies[0])})

        left = {path.name for path in (archive.blobs.root / "00").iterdir()}
    named = digest_of(bodies[0]).hex()
    assert unlinked == 5
    assert left == {named, f"{named}.rotten", "README"}


def test_a_file_is_never_written_twice(root: Path) -> None:
    with ExitStack() as stack:
        archive = stack.enter_context(Archive.to_write(root, AT_ONCE))
        directory = archive.begin(NAME)
        stack.enter_context(archive.new_file(directory / "file"))

        with pytest.raises(Exception, match="exists"), archive.new_file(directory / "file"):
            pass


def test_an_archive_without_its_blob_directory_is_refused(root: Path) -> None:
    with Archive.to_write(root, AT_ONCE):
        pass
    (root / "blobs" / "layout").unlink()

    with (
        pytest.raises(BlobLayoutError, match="is no blob directory"),
        Archive.to_read(root, AT_ONCE),
    ):
        pass
