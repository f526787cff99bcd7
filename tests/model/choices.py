"""What the model test may choose.

A choice never depends on an answer, so that a run can come again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from hypothesis import strategies as st

from tests.model.bodies import BODIES, KEYS, PARTS, XML_KEYS
from tests.model.bucket_operations import CreateBucket, DeleteBucket, ListBuckets, ListObjectsV2
from tests.model.conditions import CURRENT, Condition
from tests.model.node import VICTIMS, Victim
from tests.model.object_operations import (
    CopyObject,
    DeleteObject,
    DeleteObjects,
    GetObject,
    GetObjectTagging,
    PutObject,
    PutObjectTagging,
)
from tests.model.operation import Operation
from tests.model.upload_operations import (
    AbortMultipartUpload,
    CompleteMultipartUpload,
    CreateMultipartUpload,
    ListParts,
    UploadPart,
    UploadPartCopy,
)

BUCKETS: Final = ["one", "two"]
SLOTS: Final = [0, 1]


@dataclass(frozen=True)
class Ask:
    """Send these one after the other to one worker."""

    operations: Sequence[Operation]
    worker: int


@dataclass(frozen=True)
class Sweep:
    """Remove all that nothing names, at once."""


@dataclass(frozen=True)
class Restart:
    """Stop the server with SIGTERM and start it."""


@dataclass(frozen=True)
class Kill:
    """Send these at once, and kill that so many milliseconds later."""

    flight: Sequence[Operation]
    victim: Victim
    after_ms: int


Step = Ask | Sweep | Restart | Kill

Chosen = st.SearchStrategy[Operation]
Any_ = TypeVar("Any_")


def weighted(*choices: tuple[int, st.SearchStrategy[Any_]]) -> st.SearchStrategy[Any_]:
    """Choose each as often as its weight says; st.one_of forgets repetitions."""
    repeated = [strategy for weight, strategy in choices for _ in range(weight)]
    return st.sampled_from(repeated).flatmap(lambda strategy: strategy)


_WORKERS: Final = st.sampled_from([0, 1])
# How long after the requests were sent something is killed, in ms.
_MOMENTS: Final = st.sampled_from([0, 1, 2, 3, 5, 8, 13, 20])
# The first bucket is there from the start, the second most of the time not.
_BUCKETS: Final = st.sampled_from(["one", "one", "one", "two"])
_KEYS: Final = st.sampled_from(KEYS)
_SLOTS: Final = st.sampled_from(SLOTS)
_NUMBERS: Final = st.integers(1, 3)
_TAGS: Final = st.sampled_from([(), (("a", "1"),), (("ä b", "x+y"), ("a", ""))])
_ETAGS: Final = st.sampled_from([CURRENT, CURRENT, BODIES[2].etag, BODIES[3].etag])
_IF_MATCH: Final = st.builds(Condition, st.just("If-Match"), _ETAGS)
_IF_NONE_MATCH: Final = st.builds(Condition, st.just("If-None-Match"), _ETAGS)
_IF_ABSENT: Final = st.just(Condition("If-None-Match", "*"))
_TO_WRITE: Final = weighted((5, st.none()), (2, _IF_MATCH), (2, _IF_ABSENT))
_RANGES: Final = st.sampled_from(["0-0", "-5", "8190-8193", "1048575-1048576", "7-", "0-9999999"])
_COPY_RANGES: Final = st.sampled_from([None, (0, 0), (1, 8191), (1048570, 1048575)])


def _puts() -> Chosen:
    return st.builds(PutObject, _BUCKETS, _KEYS, st.sampled_from(BODIES), _TAGS, _TO_WRITE)


def _plain_puts() -> Chosen:
    return st.builds(PutObject, _BUCKETS, _KEYS, st.sampled_from(BODIES), _TAGS)


def _deletes() -> Chosen:
    return st.builds(DeleteObject, _BUCKETS, _KEYS, st.one_of(st.none(), _IF_MATCH))


def _deletes_of_many() -> Chosen:
    keys = st.lists(st.sampled_from(XML_KEYS), min_size=1, max_size=3, unique=True).map(tuple)
    return st.builds(DeleteObjects, _BUCKETS, keys)


def _copies() -> Chosen:
    return st.builds(CopyObject, _BUCKETS, _KEYS, _BUCKETS, _KEYS, st.booleans(), _TO_WRITE)


def _tags() -> Chosen:
    return st.builds(PutObjectTagging, _BUCKETS, _KEYS, _TAGS)


def _reads() -> Chosen:
    methods = st.sampled_from(["GET", "GET", "HEAD"])
    conditions = st.one_of(_IF_MATCH, _IF_NONE_MATCH)
    whole = st.builds(GetObject, _BUCKETS, _KEYS, method=methods)
    ranges = st.builds(GetObject, _BUCKETS, _KEYS, byte_range=_RANGES, method=methods)
    parts = st.builds(GetObject, _BUCKETS, _KEYS, part=_NUMBERS, method=methods)
    if_so = st.builds(GetObject, _BUCKETS, _KEYS, condition=conditions, method=methods)
    tags = st.builds(GetObjectTagging, _BUCKETS, _KEYS)
    return weighted((3, whole), (2, ranges), (1, parts), (2, if_so), (1, tags))


def _listings() -> Chosen:
    objects = st.builds(
        ListObjectsV2,
        _BUCKETS,
        prefix=st.sampled_from(["", "", "a", "a/", "a//", "ü", "b c+"]),
        delimiter=st.sampled_from(["", "/", "/", "b"]),
        start_after=st.sampled_from(["", "", "a/", "a/b", "b", "\x01"]),
        max_keys=st.sampled_from([1, 2, 3, 1000]),
    )
    return weighted((4, objects), (1, st.builds(ListBuckets)))


def _buckets() -> Chosen:
    """The first bucket is seldom deleted, or little else would happen."""
    deleted = st.sampled_from(["two", "two", "one"])
    return st.one_of(st.builds(CreateBucket, _BUCKETS), st.builds(DeleteBucket, deleted))


def _begins() -> Chosen:
    return st.builds(CreateMultipartUpload, _SLOTS, _BUCKETS, _KEYS)


def _parts() -> Chosen:
    return st.builds(UploadPart, _SLOTS, _NUMBERS, st.sampled_from(PARTS))


def _copied_parts() -> Chosen:
    return st.builds(UploadPartCopy, _SLOTS, _NUMBERS, _BUCKETS, _KEYS, _COPY_RANGES)


def _completes() -> Chosen:
    numbers = st.lists(_NUMBERS, min_size=1, max_size=3).map(tuple)
    return st.builds(CompleteMultipartUpload, _SLOTS, numbers, _TO_WRITE)


def _uploads() -> Chosen:
    return weighted(
        (1, _begins()),
        (2, _parts()),
        (2, _copied_parts()),
        (2, _completes()),
        (1, st.builds(AbortMultipartUpload, _SLOTS)),
        (1, st.builds(ListParts, _SLOTS)),
    )


def _operations() -> st.SearchStrategy[Sequence[Operation]]:
    """Some of any kind, one after the other."""
    one = weighted(
        (9, _puts()),
        (3, _copies()),
        (2, _deletes()),
        (1, _deletes_of_many()),
        (2, _tags()),
        (9, _reads()),
        (4, _uploads()),
        (3, _listings()),
        (1, _buckets()),
    )
    return st.lists(one, min_size=6, max_size=14)


@st.composite
def _whole_uploads(draw: st.DrawFn) -> Sequence[Operation]:
    """An upload from beginning to end."""
    slot = draw(_SLOTS)
    bucket, key = draw(_BUCKETS), draw(_KEYS)
    steps: list[Operation] = [CreateMultipartUpload(slot, bucket, key)]
    last = draw(st.integers(1, 3))
    steps += [UploadPart(slot, number, PARTS[-1]) for number in range(1, last)]
    steps.append(
        draw(
            st.one_of(
                st.builds(UploadPart, st.just(slot), st.just(last), st.sampled_from(PARTS)),
                st.builds(
                    UploadPartCopy,
                    st.just(slot),
                    st.just(last),
                    _BUCKETS,
                    _KEYS,
                    st.sampled_from([None, (0, 0)]),
                ),
            )
        )
    )
    complete = CompleteMultipartUpload(slot, tuple(range(1, last + 1)))
    end: Operation = draw(st.sampled_from([complete, complete, AbortMultipartUpload(slot)]))
    return [*steps, end]


def _flights() -> st.SearchStrategy[Sequence[Operation]]:
    """What is under way when something is killed.

    Several at once only of a kind that has one moment in which it happens.
    """
    one = weighted(
        (4, _plain_puts()), (1, _tags()), (1, _deletes()), (1, _parts()), (1, _completes())
    )
    alone = st.one_of(_copies(), _deletes_of_many(), _copied_parts(), _begins(), _buckets())
    at_once = st.lists(one, min_size=1, max_size=3)
    return weighted((2, at_once), (1, alone.map(lambda operation: [operation])))


def steps() -> st.SearchStrategy[Step]:
    """A kill and a restart cost a second, so they are the rarest."""
    kills = st.builds(Kill, _flights(), st.sampled_from(VICTIMS), _MOMENTS)
    return weighted(
        (12, st.builds(Ask, _operations(), _WORKERS)),
        (5, st.builds(Ask, _whole_uploads(), _WORKERS)),
        (2, st.just(Sweep())),
        (4, kills),
        (1, st.just(Restart())),
    )
