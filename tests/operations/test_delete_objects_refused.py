"""A DeleteObjects that is refused in the middle: nothing of it comes after its 503."""

import asyncio
from collections.abc import Iterator

import psycopg
import pytest

from tests.fix_s3 import S3Client, client_of
from tests.fix_server import RunningServer, own_database, running_server
from tests.signing import content_md5
from tests.wire import Answer

# One request has 256 keys under way at a time, and a worker takes 2,048 questions.
REQUESTS = 10
AT_ONCE = 256
# Holds a row as another request may, and with it the batch that wants to delete it.
LOCK = "SELECT FROM object_version WHERE key = '0/000' AND is_current FOR UPDATE"


def key(request: int, number: int) -> str:
    return f"{request}/{number:03}"


@pytest.fixture
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with (
        own_database() as url,
        running_server(tmp_path_factory.mktemp("one"), workers=1, database_url=url) as server,
    ):
        yield server


async def delete_all(s3: S3Client, request: int) -> Answer:
    objects = "".join(
        f"<Object><Key>{key(request, number)}</Key></Object>" for number in range(AT_ONCE)
    )
    body = f"<Delete>{objects}</Delete>".encode()
    return await s3.post("/bucket?delete", body=body, headers={"Content-MD5": content_md5(body)})


async def test_what_is_written_after_the_503_stays(running: RunningServer) -> None:
    s3 = client_of(running)
    await s3.put("/bucket")
    await s3.put(f"/bucket/{key(0, 0)}", body=b"body")
    written: list[str] = []

    async def ask(request: int) -> tuple[int, str | None]:
        refusal = (await delete_all(s3, request)).refusal
        if refusal[0] == 503:
            assert (await s3.put(f"/bucket/{key(request, 0)}", body=b"new")).status == 200
            written.append(key(request, 0))
        return refusal

    with psycopg.connect(running.metadata_url) as holding:
        holding.execute(LOCK)
        requests = [asyncio.create_task(ask(request)) for request in range(REQUESTS)]
        await asyncio.sleep(2)
    refusals = set(await asyncio.gather(*requests))

    assert refusals == {(200, None), (503, "SlowDown")}
    assert await s3.keys_of("bucket") == sorted(written)
