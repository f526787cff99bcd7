"""Whatever botocore signs is accepted; whatever is changed afterwards is not."""

from collections.abc import Callable
from urllib.parse import quote

import pytest
from botocore.utils import percent_encode_sequence
from hypothesis import assume, given
from hypothesis import strategies as st

from sigv4.request import SignedRequest
from tests.sigv4.clients import (
    ACCESS_KEY,
    accepted,
    header_v2,
    header_v4,
    query_v2,
    query_v4,
    refused,
    with_header,
)

Signer = Callable[..., SignedRequest]
SIGNERS = [header_v4, query_v4, header_v2, query_v2]
ALL_SIGNERS = pytest.mark.parametrize("signer", SIGNERS, ids=lambda signer: signer.__name__)

# Any character that UTF-8 can hold, those with a meaning in paths, queries and headers often.
TEXT = st.text(
    st.one_of(st.sampled_from("/%+ &=?;:,.~*'()\x00\n\u00e9"), st.characters(codec="utf-8"))
)
KEYS = TEXT.filter(bool)
# Names that Version 2 signs too; values are not empty, because botocore signs "acl=" as it is.
PARAMETERS = st.dictionaries(
    st.sampled_from(["versionId", "uploadId", "partNumber", "response-content-type"]),
    TEXT.filter(bool),
)
VALUES = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E)).map(str.strip)
HEADERS = st.dictionaries(
    st.sampled_from(["x-amz-meta-a", "x-amz-meta-b", "x-amz-acl", "content-type", "content-md5"]),
    VALUES,
)
METHODS = st.sampled_from(["GET", "PUT", "POST", "HEAD", "DELETE"])


def _url(key: str, parameters: dict[str, str]) -> str:
    # As botocore itself escapes keys and parameters.
    query = percent_encode_sequence(parameters)
    return f"http://127.0.0.1:9000/bucket/{quote(key, safe='/~')}" + (f"?{query}" if query else "")


@ALL_SIGNERS
@given(method=METHODS, key=KEYS, parameters=PARAMETERS, headers=HEADERS)
def test_whatever_botocore_signs_is_accepted(
    signer: Signer, method: str, key: str, parameters: dict[str, str], headers: dict[str, str]
) -> None:
    accepted(signer(method, _url(key, parameters), headers))


@ALL_SIGNERS
@given(method=METHODS, other=METHODS)
def test_another_method_is_refused(signer: Signer, method: str, other: str) -> None:
    assume(method != other)

    assert refused(signer(method)._replace(method=other)).code == ("SignatureDoesNotMatch")


@ALL_SIGNERS
@given(key=KEYS, other=KEYS)
def test_another_key_is_refused(signer: Signer, key: str, other: str) -> None:
    assume(key != other)
    path = f"/bucket/{quote(other, safe='/~')}"

    assert refused(signer(url=_url(key, {}))._replace(raw_path=path)).code == (
        "SignatureDoesNotMatch"
    )


@ALL_SIGNERS
@given(value=TEXT.filter(bool), other=TEXT)
def test_another_value_of_a_parameter_is_refused(signer: Signer, value: str, other: str) -> None:
    assume(value != other)
    request = signer(url=_url("k", {"versionId": value}))
    before, after = (f"versionId={quote(text, safe='-._~')}" for text in (value, other))
    assert before in request.raw_query

    changed = request._replace(raw_query=request.raw_query.replace(before, after))

    assert refused(changed).code == "SignatureDoesNotMatch"


@ALL_SIGNERS
@given(parameters=PARAMETERS)
def test_another_parameter_is_refused(signer: Signer, parameters: dict[str, str]) -> None:
    request = signer(url=_url("k", parameters))
    query = "&".join(part for part in (request.raw_query, "torrent=1") if part)

    assert refused(request._replace(raw_query=query)).code == "SignatureDoesNotMatch"


@ALL_SIGNERS
@given(headers=HEADERS.filter(bool), data=st.data())
def test_another_value_of_a_signed_header_is_refused(
    signer: Signer, headers: dict[str, str], data: st.DataObject
) -> None:
    name = data.draw(st.sampled_from(sorted(headers)))
    value = data.draw(VALUES.filter(lambda text: text.split() != headers[name].split()))

    assert refused(with_header(signer("PUT", headers=headers), name, value)).code == (
        "SignatureDoesNotMatch"
    )


@ALL_SIGNERS
@given(data=st.data())
def test_another_signature_is_refused(signer: Signer, data: st.DataObject) -> None:
    request = signer()
    credentials = request.headers.get("authorization", request.raw_query)
    # The signature is at the end, but for botocore's Version 2 URLs.
    start = credentials.rfind("Signature=") + 10 if "Signature=" in credentials else -28
    position = data.draw(st.integers(0, 26)) + (len(credentials) if start < 0 else 0) + start
    letter = data.draw(st.sampled_from("0123456789abcdefABCDEFXYZ"))
    assume(credentials[position] not in (letter, "%") and credentials[position - 1] != "%")
    assume(credentials[position - 2] != "%")
    changed = credentials[:position] + letter + credentials[position + 1 :]

    if "authorization" in request.headers:
        error = refused(with_header(request, "authorization", changed))
    else:
        error = refused(request._replace(raw_query=changed))

    assert error.code == "SignatureDoesNotMatch"


@pytest.mark.parametrize("signer", [header_v4, query_v4], ids=lambda signer: signer.__name__)
@given(data=st.data())
def test_another_credential_is_refused(signer: Signer, data: st.DataObject) -> None:
    """A key's name is covered by its secret alone: the scope beside it is signed."""
    request = signer()
    credentials = request.headers.get("authorization", request.raw_query)
    slash = "/" if "authorization" in request.headers else "%2F"
    scope = f"20260314{slash}us-east-1{slash}s3{slash}aws4_request"
    start = credentials.index(ACCESS_KEY) + len(ACCESS_KEY) + len(slash)
    assert credentials[start:].startswith(scope)
    position = start + data.draw(st.integers(0, len(scope) - 1))
    letter = data.draw(st.sampled_from("0123456789abcdefgst_-"))
    assume(credentials[position].lower() != letter)
    changed = credentials[:position] + letter + credentials[position + 1 :]

    if "authorization" in request.headers:
        error = refused(with_header(request, "authorization", changed))
    else:
        error = refused(request._replace(raw_query=changed))

    assert error.code in (
        "AuthorizationHeaderMalformed",
        "AuthorizationQueryParametersError",
    )
