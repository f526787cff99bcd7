"""The model test: random operations, restarts, kills and sweeps, each answer held against a dict.

A request that a kill left without an answer may have happened or not: the model then holds every
world that may be there, and each later answer keeps those that it fits. None left is a bug.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import permutations
from pathlib import Path
from typing import ClassVar

from hypothesis import note
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from tests.fix_s3 import client_of
from tests.invariants import broken, leftovers
from tests.model import choices
from tests.model.bodies import KEYS
from tests.model.bucket_operations import CreateBucket, DeleteBucket, ListBuckets, ListObjectsV2
from tests.model.choices import Ask, Kill, Restart, Step, Sweep
from tests.model.clients import GONE
from tests.model.node import Node, Victim
from tests.model.object_operations import DeleteObject, GetObject, GetObjectTagging
from tests.model.operation import Caller, Operation, Seen, Unavailable
from tests.model.sweeping import sweep
from tests.model.upload_operations import ListParts
from tests.model.world import World

# Above that every key is read, and the worlds that do not fit are gone.
MANY_WORLDS = 32
BUCKETS = choices.BUCKETS


class Machine(RuleBasedStateMachine):
    """One run of the model test on a server that all runs share."""

    run: ClassVar[asyncio.Runner]
    node: ClassVar[Node]
    runs: ClassVar[int] = 0
    story: ClassVar[str] = ""  # of the first failure
    done: ClassVar[Counter[str]] = Counter()  # what happened, by operation and status

    def __init__(self) -> None:
        super().__init__()
        Machine.runs += 1
        self._prefix = f"model-{Machine.runs:04}"
        self._worlds = [World()]
        self._serial = 0
        self._story: list[str] = []
        self._is_sound = False  # until a step ended well, and while one is under way

    @initialize()
    def one_bucket(self) -> None:
        self.node.start()
        self._do(Ask([CreateBucket("one")], 0))

    @rule(step=choices.steps())
    def then(self, step: Step) -> None:
        self._do(step)

    def teardown(self) -> None:
        """Hold everything against the model, take everything away, and look for what is left."""
        if not self._is_sound:
            self.run.run(self.node.start_afresh())
            return
        self._is_sound = False
        try:
            with self._telling():
                self.run.run(self._read_everything())
                self.run.run(self._take_everything_away())
            self._is_sound = True
        finally:
            if not self._is_sound:
                self.run.run(self.node.start_afresh())

    def _do(self, step: Step) -> None:
        self._is_sound = False
        with self._telling():
            self._carry_out(step)
        self._is_sound = True

    @contextlib.contextmanager
    def _telling(self) -> Iterator[None]:
        """Keep the story of the first failure, which a run that comes again may not repeat."""
        try:
            yield
        except Exception as error:
            if not Machine.story:
                Machine.story = "\n".join([*self._story, f"{type(error).__name__}: {error}"])
            raise

    def _carry_out(self, step: Step) -> None:
        if not isinstance(step, Ask):
            self._tell(str(step))
        match step:
            case Ask(operations, worker):
                self.run.run(self._ask_all(operations, worker))
            case Sweep():
                self.run.run(self._sweep())
            case Restart():
                self.run.run(self._restart())
            case Kill(flight, victim, after_ms):
                self.run.run(self._kill(flight, victim, after_ms / 1000))

    async def _ask_all(self, operations: Sequence[Operation], worker: int) -> None:
        for operation in operations:
            await self._ask(operation, worker)
        if len(self._worlds) > MANY_WORLDS:
            await self._read_everything()

    async def _ask(self, operation: Operation, worker: int = 0) -> None:
        asked = self._resolved(operation)
        caller = Caller(await self.node.worker(worker), self._prefix)
        seen = await self._seen(asked, caller)
        assert seen is not None, f"{operation}: no answer, or 503"
        self._judge([(asked, seen)])

    def _resolved(self, operation: Operation) -> Operation:
        self._serial += 1
        return operation.resolved(self._worlds[0], str(self._serial))

    async def _seen(self, operation: Operation, caller: Caller) -> Seen | None:
        """Return what was seen; None where the outcome is unknown."""
        seen = None
        try:
            seen = await operation.send(caller)
        except (*GONE, Unavailable) as error:
            self._tell(f"    {type(error).__name__}")
        self._tell(f"    {operation} → {seen}")
        self.done[f"{type(operation).__name__} {seen[0] if seen else None}"] += 1
        return seen

    def _tell(self, line: str) -> None:
        self._story.append(line)
        note(line)

    def _judge(self, flight: Sequence[tuple[Operation, Seen | None]]) -> None:
        """Keep the worlds in which these answers, in some order, are right."""
        possible: list[World] = []
        for order in permutations(flight):
            worlds = self._worlds
            for operation, seen in order:
                worlds = _after(operation, seen, worlds)
            for world in worlds:
                if world not in possible:
                    possible.append(world)
        assert possible, _complaint(flight, self._worlds)
        self._worlds = possible

    async def _kill(self, flight: Sequence[Operation], victim: Victim, delay: float) -> None:
        asked = [self._resolved(operation) for operation in flight]
        caller = Caller(client_of(self.node.server), self._prefix)
        async with asyncio.TaskGroup() as group:
            seen = [group.create_task(self._seen(each, caller)) for each in asked]
            await asyncio.sleep(delay)
            killed = group.create_task(self.node.kill(victim))
        await killed
        self._tell(f"    killed: {victim}")
        self.done[f"kill {victim}"] += 1
        self._judge([(each, task.result()) for each, task in zip(asked, seen, strict=True)])
        self._look_at_the_invariants()

    async def _restart(self) -> None:
        await self.node.stop()
        self.node.start()
        self.done["restart"] += 1

    async def _sweep(self) -> None:
        await sweep(self.node.server)
        self.done["sweep"] += 1
        self._look_at_the_invariants()
        left = leftovers(*self._both_sides)
        assert not left, f"left over: {left}"

    @property
    def _both_sides(self) -> tuple[str, Path]:
        server = self.node.server
        assert server.data is not None
        return server.metadata_url, server.data / "blobs"

    def _look_at_the_invariants(self) -> None:
        found = broken(*self._both_sides)
        assert not found, f"broken: {found}"

    async def _read_everything(self) -> None:
        for bucket in BUCKETS:
            await self._ask(ListObjectsV2(bucket))
            for key in KEYS:
                await self._ask(GetObject(bucket, key))
                await self._ask(GetObjectTagging(bucket, key), 1)
        for slot in choices.SLOTS:
            await self._ask(ListParts(slot))
        await self._ask(ListBuckets())

    async def _take_everything_away(self) -> None:
        for bucket in BUCKETS:
            await self._ask(DeleteBucket(bucket))  # refused, if anything is left in it
            for key in KEYS:
                await self._ask(DeleteObject(bucket, key))
            await self._ask(DeleteBucket(bucket))
        await self._sweep()
        assert [world.buckets for world in self._worlds] == [{}], self._worlds


def _after(operation: Operation, seen: Seen | None, worlds: Sequence[World]) -> list[World]:
    if seen is None:
        return [after for world in worlds for after in operation.unanswered(world)]
    outcomes = [operation.apply(world) for world in worlds]
    return [after for expected, after in outcomes if expected == seen]


def _complaint(flight: Sequence[tuple[Operation, Seen | None]], worlds: Sequence[World]) -> str:
    lines = []
    for operation, seen in flight:
        lines.append(f"{operation}\n  answered {seen}")
        lines += [f"  expected {operation.apply(world)[0]}, where {world}" for world in worlds]
    return "\n".join(lines)
