import pytest

from server.errors import ErrorCode, S3Error
from server.rules.storage_classes import parse_storage_class


@pytest.mark.parametrize(
    "name",
    [
        "STANDARD",
        "REDUCED_REDUNDANCY",
        "STANDARD_IA",
        "ONEZONE_IA",
        "INTELLIGENT_TIERING",
        "GLACIER_IR",
    ],
)
def test_classes_that_are_read_at_once_are_kept(name: str) -> None:
    assert parse_storage_class({"x-amz-storage-class": name}) == name


def test_the_class_is_standard_where_none_was_named() -> None:
    assert parse_storage_class({}) == "STANDARD"


@pytest.mark.parametrize("name", ["GLACIER", "DEEP_ARCHIVE"])
def test_archive_classes_are_not_implemented(name: str) -> None:
    with pytest.raises(S3Error) as caught:
        parse_storage_class({"x-amz-storage-class": name})

    assert caught.value.code is ErrorCode.NotImplemented
    assert caught.value.detail["Header"] == "x-amz-storage-class"


@pytest.mark.parametrize(
    "name", ["", "standard", "STD1", "OUTPOSTS", "SNOW", "EXPRESS_ONEZONE", "FSX_OPENZFS"]
)
def test_all_other_classes_are_invalid(name: str) -> None:
    with pytest.raises(S3Error) as caught:
        parse_storage_class({"x-amz-storage-class": name})

    assert caught.value.code is ErrorCode.InvalidStorageClass
    assert caught.value.detail == {"StorageClassRequested": name}
