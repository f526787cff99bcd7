"""Signatures as clients make them, by means of the standard library alone, right or wrong.

Source: S3 API reference, "Authenticating Requests"; S3 user guide, "Signing and authenticating
REST requests (AWS Signature Version 2)".
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from urllib.parse import parse_qsl, quote, unquote_to_bytes

UNSIGNED = "UNSIGNED-PAYLOAD"
SIGNED_CHUNKS = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
SIGNED_CHUNKS_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()

_ALGORITHM = "AWS4-HMAC-SHA256"
# Of those that Version 2 signs, what the tests ask for.
_V2_SUB_RESOURCES = ("delete", "location", "partNumber", "tagging", "uploadId", "uploads")


@dataclass(frozen=True)
class Keys:
    """An access key and its secret."""

    access_key: str
    secret_key: str


@dataclass(frozen=True)
class Unsigned:
    """A request before it is signed. target: path and query as they will be on the wire."""

    method: str
    target: str
    headers: Mapping[str, str]  # Host among them

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        return self.target.partition("?")[2]

    @property
    def lower(self) -> dict[str, str]:
        return {name.lower(): value.strip() for name, value in self.headers.items()}


@dataclass(frozen=True)
class Signed:
    """A request that is ready to be sent, and where the signatures of its chunks begin."""

    method: str
    target: str
    headers: Mapping[str, str]
    seed: "Seed | None" = None


@dataclass(frozen=True)
class Seed:
    key: bytes
    timestamp: str
    scope: str
    signature: str


@dataclass(frozen=True)
class V4:
    """What a Version 4 signature is made with; all of it may be wrong."""

    keys: Keys
    region: str = "us-east-1"
    at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def timestamp(self) -> str:
        return self.at.strftime("%Y%m%dT%H%M%SZ")

    @property
    def scope(self) -> str:
        return f"{self.timestamp[:8]}/{self.region}/s3/aws4_request"

    def header(self, request: Unsigned, content_sha256: str) -> Signed:
        """Sign in the Authorization header."""
        headers = {
            **request.headers,
            "x-amz-date": self.timestamp,
            "x-amz-content-sha256": content_sha256,
        }
        request = Unsigned(request.method, request.target, headers)
        names = sorted(n for n in request.lower if n not in ("content-length", "expect"))
        seed = self._sign(request, request.query, names, content_sha256)
        authorization = (
            f"{_ALGORITHM} Credential={self.keys.access_key}/{self.scope},"
            f" SignedHeaders={';'.join(names)}, Signature={seed.signature}"
        )
        return Signed(
            request.method, request.target, {**headers, "Authorization": authorization}, seed
        )

    def query(self, request: Unsigned, content_sha256: str, expires: int = 300) -> Signed:
        """Presign. content_sha256 travels as a header unless it is UNSIGNED-PAYLOAD."""
        headers = dict(request.headers)
        if content_sha256 != UNSIGNED:
            headers["x-amz-content-sha256"] = content_sha256
        request = Unsigned(request.method, request.target, headers)
        names = sorted(n for n in request.lower if n.startswith(("host", "x-amz-", "content-md5")))
        parameters = {
            "X-Amz-Algorithm": _ALGORITHM,
            "X-Amz-Credential": f"{self.keys.access_key}/{self.scope}",
            "X-Amz-Date": self.timestamp,
            "X-Amz-Expires": str(expires),
            "X-Amz-SignedHeaders": ";".join(names),
        }
        added = "&".join(f"{name}={quote(value, safe='')}" for name, value in parameters.items())
        query = f"{request.query}&{added}" if request.query else added
        seed = self._sign(request, query, names, content_sha256)
        target = f"{request.path}?{query}&X-Amz-Signature={seed.signature}"
        return Signed(request.method, target, headers, seed)

    def _sign(
        self, request: Unsigned, query: str, names: Sequence[str], content_sha256: str
    ) -> Seed:
        lower = request.lower
        pairs = parse_qsl(query, keep_blank_values=True)
        encoded = sorted((quote(name, safe=""), quote(value, safe="")) for name, value in pairs)
        canonical = "\n".join(
            (
                request.method,
                quote(unquote_to_bytes(request.path), safe="/-_.~"),
                "&".join(f"{name}={value}" for name, value in encoded),
                "".join(f"{name}:{' '.join(lower[name].split())}\n" for name in names),
                ";".join(names),
                content_sha256,
            )
        )
        digest = hashlib.sha256(canonical.encode("utf-8", "surrogateescape")).hexdigest()
        key = f"AWS4{self.keys.secret_key}".encode()
        for part in self.scope.split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        text = "\n".join((_ALGORITHM, self.timestamp, self.scope, digest))
        signature = hmac.digest(key, text.encode(), "sha256").hex()
        return Seed(key, self.timestamp, self.scope, signature)


@dataclass(frozen=True)
class V2:
    """What a Version 2 signature is made with."""

    keys: Keys
    at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def header(self, request: Unsigned) -> Signed:
        """Sign in the Authorization header."""
        date = format_datetime(self.at, usegmt=True)
        headers = {**request.headers, "Date": date}
        signature = self._sign(request, date)
        authorization = f"AWS {self.keys.access_key}:{signature}"
        return Signed(request.method, request.target, {**headers, "Authorization": authorization})

    def query(self, request: Unsigned, expires: int = 300) -> Signed:
        """Presign."""
        until = str(int(self.at.timestamp()) + expires)
        signature = quote(self._sign(request, until), safe="")
        added = f"AWSAccessKeyId={self.keys.access_key}&Expires={until}&Signature={signature}"
        query = f"{request.query}&{added}" if request.query else added
        return Signed(request.method, f"{request.path}?{query}", request.headers)

    def _sign(self, request: Unsigned, date: str) -> str:
        lower = request.lower
        signed = [
            name if not value else f"{name}={value}"
            for name, value in sorted(parse_qsl(request.query, keep_blank_values=True))
            if name in _V2_SUB_RESOURCES
        ]
        text = "\n".join(
            (
                request.method,
                lower.get("content-md5", ""),
                lower.get("content-type", ""),
                date,
                *(f"{name}:{lower[name]}" for name in sorted(lower) if name.startswith("x-amz-")),
                request.path + ("?" + "&".join(signed) if signed else ""),
            )
        )
        digest = hmac.digest(self.keys.secret_key.encode(), text.encode(), "sha1")
        return base64.b64encode(digest).decode()


def aws_chunked(
    chunks: Sequence[bytes],
    *,
    seed: Seed | None = None,
    trailer: Mapping[str, str] | None = None,
) -> bytes:
    """Return an aws-chunked body, its last chunk and its trailer included.

    seed: signs chunks and trailer; None leaves them unsigned. trailer: None is a body without one.
    """
    body = b""
    previous = "" if seed is None else seed.signature
    for chunk in (*chunks, b""):
        extension = ""
        if seed is not None:
            covered = f"{EMPTY_SHA256}\n{hashlib.sha256(chunk).hexdigest()}"
            previous = _chain(seed, "AWS4-HMAC-SHA256-PAYLOAD", previous, covered)
            extension = f";chunk-signature={previous}"
        body += f"{len(chunk):x}{extension}\r\n".encode() + (chunk + b"\r\n" if chunk else b"")
    for name, value in (trailer or {}).items():
        body += f"{name}:{value}\r\n".encode()
    if seed is not None and trailer is not None:
        lines = "".join(f"{name}:{value}\n" for name, value in trailer.items())
        covered = hashlib.sha256(lines.encode()).hexdigest()
        signature = _chain(seed, "AWS4-HMAC-SHA256-TRAILER", previous, covered)
        body += f"x-amz-trailer-signature:{signature}\r\n".encode()
    return body + b"\r\n"


def _chain(seed: Seed, algorithm: str, previous: str, covered: str) -> str:
    text = "\n".join((algorithm, seed.timestamp, seed.scope, previous, covered))
    return hmac.digest(seed.key, text.encode(), "sha256").hex()


def content_md5(body: bytes) -> str:
    """Return the Content-MD5 of a body."""
    return base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()


def sha256_base64(body: bytes) -> str:
    """Return the x-amz-checksum-sha256 of a body."""
    return base64.b64encode(hashlib.sha256(body).digest()).decode()
