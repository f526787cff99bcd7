"""Backups of blobs that are missing or rotten: what they list, and what comes back of them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from server.blobs.archive import Archive
from server.blobs.staging import StagedFile
from server.jobs import retention
from server.jobs.restore import RestoreIncomplete
from server.jobs.unusable import unusable_blobs
from server.model.blob import Slice
from tests.blobs.archives import AT_ONCE
from tests.blobs.bodies import digest_of, random_bytes
from tests.blobs.disk import files_in
from tests.invariants import broken
from tests.jobs.archived import archived, back_up, finished, restore, rot
from tests.jobs.node import Node
from tests.metadata.rows import complete, new_upload, put_part

ONE, TWO, THREE = random_bytes(10_000), random_bytes(20_000), random_bytes(3 << 20)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "archive"


@pytest.mark.parametrize("spoil", [rot, Path.unlink], ids=["rotten", "missing"])
async def test_a_blob_that_is_not_whole_is_listed_and_the_others_are_copied(
    node: Node, root: Path, spoil: Callable[[Path], None]
) -> None:
    for key, body in (("one", ONE), ("two", TWO), ("three", THREE)):
        await node.put(key, body)
    spoil(node.at_its_place(TWO))

    done = await back_up(node, root)

    [named] = done.findings.unusable
    assert named.startswith(f"{node.at_its_place(TWO)}: ")
    assert finished(root) == [done.name]
    assert list(unusable_blobs(root / "snapshots" / done.name)) == [digest_of(TWO)]
    assert (done.description.unusable.blobs, done.description.unusable.objects) == (1, 1)
    assert archived(root, ONE).read_bytes() == ONE
    assert archived(root, THREE).read_bytes() == THREE
    assert not archived(root, TWO).exists()


async def test_versions_that_lack_bytes_are_counted_whatever_names_their_blobs(
    node: Node, root: Path
) -> None:
    bodies = [random_bytes(10_000 + number) for number in range(600)]
    for number, body in enumerate(bodies):
        await node.put(f"{number}", body)
    for key in ("two", "again"):
        await node.put(key, TWO)
    async with node.metadata.transaction() as conn:
        upload = await new_upload(conn, node.home)
        await put_part(conn, upload, 1, [Slice(await node.publish(TWO), 0, len(TWO))])
        await complete(conn, node.home, upload, len(TWO))
    for body in (TWO, *bodies[:300]):
        node.at_its_place(body).unlink()

    done = await back_up(node, root)

    lacking = done.description.unusable
    assert (done.findings.unusable_count, lacking.blobs, lacking.objects) == (301, 301, 303)
    assert done.findings.copied == 300
    listed = list(unusable_blobs(root / "snapshots" / done.name))
    assert listed == sorted(digest_of(body) for body in (TWO, *bodies[:300]))


async def test_a_rotten_blob_that_nothing_names_any_more_hurts_no_backup(
    node: Node, root: Path
) -> None:
    await node.put("one", ONE)
    rot(node.at_its_place(ONE))
    await node.delete("one")

    done = await back_up(node, root)

    assert done.findings.unusable_count == 0
    assert done.description.unusable.blobs == 0


async def test_a_copy_that_is_rotten_on_both_sides_never_passes_for_whole(
    node: Node, root: Path
) -> None:
    """Its size is right, and the second backup here looks at nothing else. Its bytes are kept."""
    await node.put("one", ONE)
    await back_up(node, root)
    rot(archived(root, ONE))
    rot(node.at_its_place(ONE))

    read = await back_up(node, root, read_data=True)
    unread = await back_up(node, root)

    assert (read.description.unusable.blobs, unread.description.unusable.blobs) == (1, 1)
    assert archived(root, ONE).with_suffix(".rotten").read_bytes()[1:] == ONE[1:]


async def test_a_copy_that_the_disk_gives_back_otherwise_is_no_copy(
    node: Node, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor has it its place for a moment, which a power cut could bring back: next time its size
    would be taken for its bytes."""
    await back_up(node, root)
    await node.put("one", ONE)
    original = StagedFile.publish
    places: list[Path] = []

    def publish_and_rot(staged: StagedFile, target: Path) -> None:
        original(staged, target)
        rot(target)
        places.append(target)

    monkeypatch.setattr(StagedFile, "publish", publish_and_rot)

    done = await back_up(node, root)

    assert done.findings.unusable == [f"{archived(root, ONE)}: holds other bytes"]
    assert list(unusable_blobs(root / "snapshots" / done.name)) == [digest_of(ONE)]
    assert len(places) == 1
    assert archived(root, ONE) not in places
    assert not archived(root, ONE).exists()


async def test_a_rotten_copy_whose_new_one_is_spoilt_never_passes_for_whole(
    node: Node, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await node.put("one", ONE)
    await back_up(node, root)
    rot(archived(root, ONE))
    with monkeypatch.context() as spoiling:
        original = StagedFile.publish

        def publish_and_rot(staged: StagedFile, target: Path) -> None:
            original(staged, target)
            rot(target)

        spoiling.setattr(StagedFile, "publish", publish_and_rot)
        read = await back_up(node, root, read_data=True)

    unread = await back_up(node, root)

    assert (read.findings.unusable_count, unread.findings.copied) == (1, 1)
    assert archived(root, ONE).read_bytes() == ONE


async def test_all_else_is_restored_and_what_lacks_bytes_is_named(
    node: Node, root: Path, tmp_path: Path, empty_database_url: str
) -> None:
    for key, body in (("one", ONE), ("again", TWO), ("two", TWO)):
        await node.put(key, body)
    part = [Slice(await node.publish(each), 0, len(each)) for each in (TWO, ONE, THREE)]
    async with node.metadata.transaction() as conn:
        for key in ("parts", "in progress"):
            upload = await new_upload(conn, node.home, key=key, upload_id=key)
            await put_part(conn, upload, 1, part)
            if key == "parts":
                await complete(conn, node.home, upload, sum(each.length for each in part))
    for body in (TWO, THREE):
        node.at_its_place(body).unlink()
    await back_up(node, root)
    lost: list[tuple[str, str | None]] = []

    findings = await restore(
        root,
        empty_database_url,
        tmp_path / "restored",
        without_unusable=True,
        lost=lambda each: lost.append((each.key, each.upload_id)),
    )

    assert (findings.copied, findings.unusable_count) == (1, 2)
    expected = ["again", "in progress", "parts", "two"]
    assert [key for key, _ in lost] == expected
    assert [upload for _, upload in lost] == [None, "in progress", None, None]
    missing = sorted(f"no file: {digest_of(body).hex()}" for body in (TWO, THREE))
    problems = broken(empty_database_url, tmp_path / "restored")
    assert sorted(each for each in problems if each.startswith("no file")) == missing


async def test_a_blob_that_rots_in_the_archive_can_be_done_without_too(
    node: Node, root: Path, tmp_path: Path, empty_database_url: str
) -> None:
    """Nothing lists it: its backup was whole."""
    await node.put("one", ONE)
    await node.put("two", TWO)
    await back_up(node, root)
    rot(archived(root, TWO))
    with pytest.raises(RestoreIncomplete):
        await restore(root, empty_database_url, tmp_path / "restored")
    lost: list[str] = []

    for _ in range(2):
        await restore(
            root,
            empty_database_url,
            tmp_path / "restored",
            without_unusable=True,
            lost=lambda each: lost.append(f"{each.bucket}/{each.key} {each.version_id}"),
        )

    assert lost == ["bucket/two null"] * 2
    assert digest_of(ONE).hex() in {path.name for path in files_in(tmp_path / "restored")}


async def test_the_last_whole_snapshot_is_kept_until_a_newer_one_is_whole(
    node: Node, root: Path
) -> None:
    await node.put("one", ONE)
    whole = [(await back_up(node, root)).name for _ in range(2)]
    await node.put("two", TWO)
    rot(node.at_its_place(TWO))
    lacking = [(await back_up(node, root)).name for _ in range(2)]
    with Archive.to_write(root, AT_ONCE) as archive:
        retention.keep_last(archive, 1, AT_ONCE)
    kept = finished(root)

    await node.put("two", ONE)
    await back_up(node, root)
    with Archive.to_write(root, AT_ONCE) as archive:
        retention.keep_last(archive, 1, AT_ONCE)

    assert kept == [whole[1], lacking[1]]
    assert len(finished(root)) == 1
