"""Table job_run: when a job was last done, by whichever worker of whichever node."""

from typing import Final, LiteralString

from server.metadata.connection import Connection

_IS_DUE: Final[LiteralString] = """
    SELECT NOT EXISTS (SELECT FROM job_run
                        WHERE job = %(job)s
                          AND ended > now() - make_interval(secs => %(seconds)s))
"""

_DONE: Final[LiteralString] = """
    INSERT INTO job_run (job, ended) VALUES (%(job)s, now())
        ON CONFLICT (job) DO UPDATE SET ended = EXCLUDED.ended
"""


async def is_due(conn: Connection, job: str, *, every_seconds: float) -> bool:
    """Return whether nobody has done the job for so long."""
    values = {"job": job, "seconds": every_seconds}
    row = await (await conn.execute(_IS_DUE, values)).fetchone()
    return row is not None and bool(row[0])


async def done(conn: Connection, job: str) -> None:
    """Note that the job was done just now."""
    await conn.execute(_DONE, {"job": job})
