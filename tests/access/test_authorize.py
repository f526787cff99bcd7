from datetime import UTC, datetime

import pytest

from server.access.authorize import authorize
from server.errors import ErrorCode, S3Error
from server.model.bucket import Account, Bucket
from server.model.names import BucketName, CanonicalId

CREATED = datetime(2026, 1, 1, tzinfo=UTC)
ALICE = Account(42, CanonicalId("a" * 64), "alice", None, CREATED)
OWN = Bucket(1, BucketName("own"), ALICE.id, "us-east-1", CREATED)
FOREIGN = Bucket(2, BucketName("foreign"), ALICE.id + 1, "us-east-1", CREATED)


@pytest.mark.parametrize("expected_owner", [None, "000000000042"])
def test_an_account_may_use_its_own_buckets(expected_owner: str | None) -> None:
    authorize(ALICE, OWN, expected_owner=expected_owner)


@pytest.mark.parametrize("expected_owner", [None, "000000000043", "000000000042", "rubbish"])
def test_an_account_may_use_no_other_bucket(expected_owner: str | None) -> None:
    with pytest.raises(S3Error) as refused:
        authorize(ALICE, FOREIGN, expected_owner=expected_owner)

    assert refused.value.code is ErrorCode.AccessDenied


def test_a_bucket_of_another_owner_than_expected_is_refused() -> None:
    with pytest.raises(S3Error) as refused:
        authorize(ALICE, OWN, expected_owner="000000000043")

    assert refused.value.code is ErrorCode.AccessDenied


@pytest.mark.parametrize(
    "expected_owner",
    [
        pytest.param("", id="empty"),
        pytest.param("42", id="short"),
        pytest.param("0000000000042", id="long"),
        pytest.param("00000000042 ", id="space"),
        pytest.param("000000000042\n", id="line feed"),
        pytest.param("\u0660" * 12, id="digits of another script"),
        pytest.param("00000000004\udcff", id="not UTF-8"),
        pytest.param("a" * 64, id="canonical id"),
    ],
)
def test_an_expected_owner_that_is_no_account_id_is_refused(expected_owner: str) -> None:
    """S3 API reference, "Error responses": InvalidBucketOwnerAWSAccountID."""
    with pytest.raises(S3Error) as refused:
        authorize(ALICE, OWN, expected_owner=expected_owner)

    assert refused.value.code is ErrorCode.InvalidBucketOwnerAWSAccountID
    assert refused.value.message.startswith("The value of the expected bucket owner parameter")
