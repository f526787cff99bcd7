"""Every request body that botocore writes, for the operations in scope, is read whole.

The bodies are those that a client would send: botocore's handlers have their say, which escape
the line ends of keys in DeleteObjects, for instance.
"""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from botocore.model import ListShape, Shape, StructureShape
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.model.checksum import ChecksumAlgorithm
from tests.conformance.documents import EPOCH, FORBIDDEN
from tests.fix_botocore import SentRequest, s3_service_model
from xml_responses.buckets import CreateBucketConfiguration, parse_create_bucket_configuration
from xml_responses.deletes import ObjectIdentifier, parse_delete
from xml_responses.multipart import CompletedPart, parse_complete_multipart_upload
from xml_responses.tagging import Tag, parse_tagging

pytestmark = pytest.mark.conformance

Sent = Callable[..., SentRequest]

MODEL = s3_service_model()
ALL_ALGORITHMS = [*ChecksumAlgorithm, "SHA512", "MD5", "XXHASH64", "XXHASH3", "XXHASH128"]
SAMPLES = settings(
    # The fixture is a client that keeps nothing between requests.
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    deadline=None,
    max_examples=50,
)
# botocore writes these as they are, so no XML parser can read them.
KEYS = st.text(st.characters(codec="utf-8", exclude_characters=FORBIDDEN), min_size=1, max_size=20)
# It escapes carriage returns in DeleteObjects alone: elsewhere XML makes them line feeds.
TAG_TEXTS = st.text(st.characters(codec="utf-8", exclude_characters=FORBIDDEN + "\r"), max_size=20)
TAGS = st.lists(st.tuples(TAG_TEXTS.filter(bool), TAG_TEXTS), max_size=3)
SECONDS = st.integers(0, 10**11).map(lambda seconds: EPOCH + timedelta(seconds=seconds))


@pytest.mark.parametrize(
    ("operation", "members"),
    [
        (
            "CreateBucket",
            {"LocationConstraint", "Location.*", "Bucket.*", "Tags.Key", "Tags.Value"},
        ),
        (
            "DeleteObjects",
            {
                *(f"Objects.{name}" for name in ("Key", "VersionId", "ETag")),
                *(f"Objects.{name}" for name in ("LastModifiedTime", "Size")),
                "Quiet",
            },
        ),
        (
            "CompleteMultipartUpload",
            {
                *("Parts.ETag", "Parts.PartNumber"),
                *(f"Parts.Checksum{algorithm}" for algorithm in ALL_ALGORITHMS),
            },
        ),
        ("PutObjectTagging", {"TagSet.Key", "TagSet.Value"}),
        ("PutBucketTagging", {"TagSet.Key", "TagSet.Value"}),
    ],
)
def test_a_body_has_no_member_that_is_not_read(operation: str, members: set[str]) -> None:
    """A new botocore that writes one more fails here until somebody decides.

    Of the members with a star it matters only that they are there.
    """
    written = {
        f"{path.partition('.')[0]}.*" if path.startswith(("Location.", "Bucket.")) else path
        for path in paths_of_body(operation)
    }

    assert written == members


@SAMPLES
@given(
    quiet=st.booleans(),
    objects=st.lists(
        st.fixed_dictionaries(
            {"Key": KEYS},
            optional={
                "VersionId": st.from_regex("[A-Za-z0-9._-]{1,32}", fullmatch=True),
                "ETag": st.from_regex("[0-9a-f]{32}(-[1-9])?|[*]", fullmatch=True),
                "LastModifiedTime": SECONDS,
                "Size": st.integers(0, 5 * 2**40),
            },
        ),
        min_size=1,
        max_size=5,
    ),
    quotes=st.sampled_from(["", '"']),
)
def test_the_body_of_delete_objects(
    sent_by_botocore: Sent, *, quiet: bool, objects: list[dict[str, Any]], quotes: str
) -> None:
    quoted = [
        item | {"ETag": quotes + item["ETag"] + quotes} if "ETag" in item else item
        for item in objects
    ]

    body = sent_by_botocore("DeleteObjects", Delete={"Quiet": quiet, "Objects": quoted}).body

    parsed = parse_delete(body)
    assert parsed.quiet is quiet
    assert parsed.objects == tuple(
        ObjectIdentifier(
            key=item["Key"],
            version_id=item.get("VersionId"),
            etag=item.get("ETag"),
            last_modified_time=item.get("LastModifiedTime"),
            size=item.get("Size"),
        )
        for item in objects
    )


@SAMPLES
@given(
    parts=st.lists(
        st.tuples(
            st.integers(1, 10_000),
            st.from_regex("[0-9a-f]{32}", fullmatch=True),
            st.dictionaries(
                st.sampled_from(ALL_ALGORITHMS),
                st.from_regex("[A-Za-z0-9+/]{6}==", fullmatch=True),
                max_size=3,
            ),
        ),
        min_size=1,
        max_size=5,
    ),
    quotes=st.sampled_from(["", '"']),
)
def test_the_body_of_complete_multipart_upload(
    sent_by_botocore: Sent, parts: list[tuple[int, str, dict[str, str]]], quotes: str
) -> None:
    members = [
        {
            "PartNumber": number,
            "ETag": quotes + etag + quotes,
            **{f"Checksum{algorithm}": value for algorithm, value in checksums.items()},
        }
        for number, etag, checksums in parts
    ]

    body = sent_by_botocore("CompleteMultipartUpload", MultipartUpload={"Parts": members}).body

    assert parse_complete_multipart_upload(body) == tuple(CompletedPart(*part) for part in parts)


@SAMPLES
@given(location=st.sampled_from(["eu-west-1", "EU", "nowhere-1"]), tags=TAGS)
def test_the_body_of_create_bucket(
    sent_by_botocore: Sent, location: str, tags: list[tuple[str, str]]
) -> None:
    configuration = {
        "LocationConstraint": location,
        "Tags": [{"Key": key, "Value": value} for key, value in tags],
    }

    body = sent_by_botocore("CreateBucket", CreateBucketConfiguration=configuration).body

    assert parse_create_bucket_configuration(body) == CreateBucketConfiguration(
        location_constraint=location,
        directory_bucket=False,
        tags=tuple(Tag(key, value) for key, value in tags),
    )


@pytest.mark.parametrize(
    "configuration",
    [
        {"Location": {"Type": "AvailabilityZone", "Name": "usw2-az1"}},
        {"Bucket": {"Type": "Directory", "DataRedundancy": "SingleAvailabilityZone"}},
    ],
)
def test_the_body_of_create_bucket_for_a_directory_bucket(
    sent_by_botocore: Sent, configuration: dict[str, Any]
) -> None:
    body = sent_by_botocore("CreateBucket", CreateBucketConfiguration=configuration).body

    assert parse_create_bucket_configuration(body).directory_bucket is True


@pytest.mark.parametrize("operation", ["PutObjectTagging", "PutBucketTagging"])
@SAMPLES
@given(tags=TAGS)
def test_the_body_of_put_tagging(
    sent_by_botocore: Sent, operation: str, tags: list[tuple[str, str]]
) -> None:
    tag_set = [{"Key": key, "Value": value} for key, value in tags]

    body = sent_by_botocore(operation, Tagging={"TagSet": tag_set}).body

    assert parse_tagging(body) == tuple(Tag(key, value) for key, value in tags)


def paths_of_body(operation: str) -> Iterator[str]:
    """Yield the paths of all scalars that botocore may write into the operation's body."""
    shape = MODEL.operation_model(operation).input_shape
    assert shape is not None
    return _paths(shape.members[shape.serialization["payload"]], "")


def _paths(shape: Shape, path: str) -> Iterator[str]:
    match shape:
        case StructureShape():
            for name, member in shape.members.items():
                yield from _paths(member, f"{path}.{name}" if path else name)
        case ListShape():
            yield from _paths(shape.member, path)
        case _:
            yield path
