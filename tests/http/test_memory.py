"""What a stranger sends is forgotten: the memory of a worker does not grow with it."""

from pathlib import Path

from tests.fix_s3 import S3Client
from tests.fix_server import RunningServer
from tests.processes import workers_of
from tests.signing import UNSIGNED, V4, Keys
from tests.wire import request_bytes

REQUESTS = 400
# A cache or a traceback that keeps what came with each of them keeps some 100 MiB.
GROWTH_MIB = 24


def resident_mib(server: RunningServer) -> float:
    """Return the memory of all workers together."""
    statm = [Path(f"/proc/{worker}/statm").read_text().split() for worker in workers_of(server)]
    return sum(int(pages[1]) * 4096 / (1 << 20) for pages in statm)


async def test_refused_requests_leave_nothing_in_memory(
    s3: S3Client, server: RunningServer
) -> None:
    """Each names other headers as signed, thousands of them, and another access key."""
    await s3.get("/")
    before = resident_mib(server)

    async with s3.connected() as wire:
        for number in range(REQUESTS):
            names = ";".join(f"{each:x}z{number:x}" for each in range(1700))
            credential = f"{'K' * 2000}{number}/{V4(Keys('', '')).scope}"
            authorization = (
                f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={names}, Signature=a"
            )
            headers = {
                "Host": s3.host,
                "x-amz-date": V4(Keys("", "")).timestamp,
                "x-amz-content-sha256": UNSIGNED,
                "Authorization": authorization,
            }
            await wire.send(request_bytes("GET", "/", headers))
            assert (await wire.answer()).refusal == (403, "AccessDenied")

    assert resident_mib(server) - before < GROWTH_MIB
