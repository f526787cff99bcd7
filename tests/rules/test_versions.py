import pytest

from server.errors import ErrorCode, S3Error
from server.rules.versions import names_null_version


@pytest.mark.parametrize(
    ("version_id", "is_null"),
    [(None, True), ("null", True), ("3sL4kqtJlcpXroDTDmJ.rmSpXd3dIbrHY_-~", False)],
)
def test_objects_of_an_unversioned_bucket_have_the_version_null(
    version_id: str | None, is_null: bool
) -> None:
    assert names_null_version(version_id) is is_null


@pytest.mark.parametrize(
    "version_id",
    [
        pytest.param("", id="empty"),
        pytest.param("a\r\nSet-Cookie: b", id="a header of its own"),
        pytest.param("a\0", id="NUL"),
        pytest.param("null\n", id="line feed behind"),
        pytest.param("\u20ac", id="beyond ASCII"),
        pytest.param("a/b", id="slash"),
        pytest.param("a" * 1025, id="too long"),
    ],
)
def test_a_version_id_that_no_version_can_have_is_refused(version_id: str) -> None:
    with pytest.raises(S3Error) as refused:
        names_null_version(version_id)

    assert refused.value.code is ErrorCode.InvalidArgument
    assert refused.value.detail["ArgumentName"] == "versionId"
