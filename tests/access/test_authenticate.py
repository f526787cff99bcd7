from datetime import UTC, datetime, timedelta

import pytest

from server.access.authenticate import all_headers, authenticate
from server.errors import ErrorCode, S3Error
from server.metadata.settings_cache import SettingsCache
from server.model.bucket import AccessKey, Bucket
from server.model.names import AccessKeyId, BucketName
from sigv4.request import SignedRequest
from tests.signing import UNSIGNED, V2, V4, Keys, Unsigned

HOST = {"Host": "localhost:9000"}


class Asked:
    """The look-ups of a cache that finds nothing."""

    def __init__(self) -> None:
        self.keys: list[AccessKeyId] = []
        self.cache = SettingsCache(self._key, self._bucket, self._revision)

    async def _key(self, access_key_id: AccessKeyId) -> tuple[int, AccessKey | None]:
        self.keys.append(access_key_id)
        return 1, None

    async def _bucket(self, _: BucketName) -> tuple[int, Bucket | None]:
        return 1, None

    async def _revision(self) -> int:
        return 1


@pytest.mark.parametrize(
    ("access_key", "is_asked_for"),
    [
        pytest.param("AKIDEXAMPLE", True, id="one that may be"),
        pytest.param("A" * 128, True, id="the longest"),
        pytest.param("A" * 129, False, id="too long to be remembered"),
        pytest.param("A\0", False, id="NUL, which PostgreSQL cannot be asked for"),
        pytest.param("A\udcff", False, id="not UTF-8"),
        pytest.param("A\n", False, id="line feed"),
        pytest.param("\u0661\u0662\u0663", False, id="beyond ASCII"),
    ],
)
@pytest.mark.parametrize("version", [V2, V4])
async def test_only_names_that_a_key_can_have_are_looked_up(
    access_key: str, is_asked_for: bool, version: type[V2 | V4]
) -> None:
    asked = Asked()
    request = Unsigned("GET", "/", HOST)
    keys = Keys(access_key, "no such secret")
    signed = V2(keys).header(request) if version is V2 else V4(keys).header(request, UNSIGNED)
    headers = {name.lower(): value for name, value in signed.headers.items()}

    with pytest.raises(S3Error) as refused:
        await authenticate(
            SignedRequest("GET", "/", "", headers),
            asked.cache,
            region="us-east-1",
            now=datetime.now(UTC) + timedelta(seconds=1),
            allow_v2=True,
        )

    assert refused.value.code is ErrorCode.InvalidAccessKeyId
    assert asked.keys == ([access_key] if is_asked_for else [])


@pytest.mark.parametrize("signature", ["X-Amz-Signature=a", "x-amz-credential=a", "Signature=a"])
def test_parameters_of_a_presigned_url_are_headers(signature: str) -> None:
    headers = all_headers(f"x-amz-copy-source=b%2Fk&X-Amz-Meta-A=1&{signature}", {"host": "h"})

    assert headers["x-amz-copy-source"] == "b/k"
    assert headers["x-amz-meta-a"] == "1"
    assert headers["host"] == "h"


def test_a_header_wins_over_the_parameter_that_stands_in_for_it() -> None:
    headers = all_headers("x-amz-acl=private&Signature=a", {"x-amz-acl": "public-read"})

    assert headers == {"x-amz-acl": "public-read"}


def test_parameters_of_any_other_query_are_no_headers() -> None:
    assert all_headers("x-amz-copy-source=b%2Fk", {"host": "h"}) == {"host": "h"}
