"""The ordeals: each overdoes one thing, as much as it is told to."""

import asyncio
import json
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import httpx
from websockets.asyncio.client import connect

from tests.overload.crowd import deaf_clients, idle_clients, submit
from tests.overload.enemy import FLOODS, enemy, flood, reports
from tests.overload.stage import PATIENCE_S, Outcome, Stage

__all__ = ["ORDEALS", "Ordeal"]

Ordeal = Callable[[Stage, float], Outcome]
"""Plays it, with a share of its full size."""


def _many(full: int, share: float) -> int:
    return max(1, round(full * share))


def idle(stage: Stage, share: float) -> Outcome:
    """Let 2,000 WebSockets watch one workflow and say nothing: all are told its end."""
    count = _many(2_000, share)
    workflow_id = stage.start_patiently("holds", text="x", seconds=max(5.0, 20 * share))

    async def watch() -> int:
        async with idle_clients(stage.port, f"/ws/workflows/{workflow_id}", count) as peers:
            return sum(await asyncio.gather(*map(_hears_the_end, peers)))

    with stage.ordeal("idle clients", connections=count) as outcome:
        told = asyncio.run(watch())
        outcome.told = f"{count} WebSockets, {told} told the end"
        if told != count:
            outcome.faults.append(f"{count - told} were not told the end")
    return outcome


async def _hears_the_end(peer: socket.socket) -> bool:
    text = b""
    with suppress(OSError):
        while more := await asyncio.wait_for(asyncio.get_running_loop().sock_recv(peer, 65_536), 60):
            text = text[-100:] + more
            if b'"type":"end"' in text:
                return True
    return False


def deaf(stage: Stage, share: float) -> Outcome:
    """Let 200 clients watch everything and never read, while 300 workflows with large inputs come and go."""
    count, workflows = _many(200, share), _many(300, share)
    bodies = [{"definition": "holds", "inputs": {"text": "x" * 60_000}} for _ in range(workflows)]

    async def act() -> tuple[list[str], float]:
        async with deaf_clients(stage.port, "/ws/workflows", count) as peers:
            answers = await submit(stage.port, bodies, tries=20)
            began_s = time.monotonic()
            while stage.system.get("/metrics").text.count("lastword_edge_admitted 0.0") == 0:
                if time.monotonic() > began_s + 120:
                    break
                await asyncio.sleep(0.2)
            waited_s = time.monotonic() - began_s
            del peers
            return answers.started, waited_s

    with stage.ordeal("deaf clients", connections=count + workflows, waiting=workflows) as outcome:
        started, waited_s = asyncio.run(act())
        lost = stage.lost(started, 120)
        outcome.told = f"{count} WebSockets, all closed, and {len(started)} workflows"
        if waited_s > 120:
            outcome.faults.append("not all were shown the door")
        if lost or len(started) < workflows:
            outcome.faults.append(f"{len(lost)} have not ended, {workflows - len(started)} were not taken")
    return outcome


def crowd(stage: Stage, share: float) -> Outcome:
    """Ask for 10,000 workflows at once, each over a connection of its own, until all are taken."""
    count = _many(10_000, share)
    bodies = [{"definition": "add", "inputs": {"a": number}} for number in range(count)]
    with stage.ordeal("a crowd", connections=count, waiting=count) as outcome:
        answers = asyncio.run(submit(stage.port, bodies, tries=200))
        submitted_s = time.monotonic()
        lost = stage.lost(answers.started, 60 + count * 0.2)
        ended_s = time.monotonic() - submitted_s
        refused = ", ".join(
            f"{number} with {status}" for status, number in sorted(answers.refused.items()) if status
        )
        outcome.told = (
            f"{len(answers.started)} of {count} started, after refusals ({refused or 'none'}); "
            f"{answers.refused[0]} connections given up by the kernel; the last ended {ended_s:.0f} s later"
        )
        if len(answers.started) < count:
            outcome.faults.append(f"{count - len(answers.started)} were refused to the end")
        if lost:
            outcome.faults.append(f"{len(lost)} have not ended, such as {lost[:3]}")
        if answers.unasked:
            outcome.faults.append(f"{answers.unasked} refusals did not say when to ask again: {refused}")
        if set(answers.refused) - {0, 429, 503}:
            outcome.faults.append(f"refused: {refused}")
    return outcome


def bulky_inputs(stage: Stage, share: float) -> Outcome:
    """Let 2,000 workflows with inputs of 60 KB each wait for eight places."""
    count = _many(2_000, share)
    with stage.ordeal("large inputs", connections=100, waiting=count) as outcome:
        started: list[str] = []
        for start in range(0, count, 100):
            bodies = [
                {"definition": "holds", "inputs": {"text": "x" * 60_000}}
                for _ in range(min(100, count - start))
            ]
            answers = asyncio.run(submit(stage.port, bodies, tries=20))
            started += answers.started
            if len(answers.started) < len(bodies):
                outcome.faults.append(f"refused to the end: {dict(answers.refused)}")
        lost = stage.lost(started, 60 + count * 0.2)
        outcome.told = f"{len(started)} workflows of 60 KB"
        if lost:
            outcome.faults.append(f"{len(lost)} have not ended, such as {lost[:3]}")
    return outcome


def storm(stage: Stage, share: float) -> Outcome:
    """Report what changes nothing at full speed, with an executor's credentials, while real work goes on."""
    seconds = max(3.0, 60 * share)
    ended = stage.system.await_end(stage.start_patiently("add", a=1))
    before = stage.system.get(f"/workflows/{ended['id']}").json()
    delays: list[float] = []

    async def act() -> tuple[int, list[str]]:
        async with enemy(stage.system) as client:
            flooding = asyncio.create_task(flood(client, reports(ended["id"], 2), seconds))
            work: list[str] = []
            while not flooding.done():
                began_s = time.monotonic()
                workflow_id = await asyncio.to_thread(stage.start_patiently, "add", a=2)
                work.append(workflow_id)
                await asyncio.to_thread(stage.system.await_end, workflow_id, 120)
                delays.append(time.monotonic() - began_s)
            return await flooding, work

    with stage.ordeal("a storm of reports", waiting=100) as outcome:
        sent, work = asyncio.run(act())
        lost = stage.lost(work, 60)
        outcome.told = (
            f"{sent} reports in {seconds:.0f} s; {len(work)} workflows meanwhile, "
            f"the slowest took {max(delays):.1f} s"
        )
        if lost:
            outcome.faults.append(f"{len(lost)} have not ended")
        if before != stage.system.get(f"/workflows/{ended['id']}").json():
            outcome.faults.append("a report moved what had ended")
    return outcome


def floods(stage: Stage, share: float) -> Outcome:
    """Publish garbage and forgeries on whatever subject an executor may use, while real work goes on."""
    seconds = max(1.5, 20 * share)
    sent: dict[str, int] = {}

    async def act() -> list[str]:
        work: list[str] = []
        async with enemy(stage.system) as client:
            for name, messages in FLOODS.items():
                flooding = asyncio.create_task(flood(client, messages(), seconds))
                while not flooding.done():
                    workflow_id = await asyncio.to_thread(stage.start_patiently, "add", a=2)
                    work.append(workflow_id)
                    await asyncio.to_thread(stage.system.await_end, workflow_id, 120)
                sent[name] = await flooding
        return work

    with stage.ordeal("forgeries", waiting=100) as outcome:
        work = asyncio.run(act())
        stage.lost(work, 60)  # until the list shows them
        states = stage.statuses(work)
        outcome.told = ", ".join(f"{number} {name}" for name, number in sent.items())
        outcome.told += f"; {len(work)} workflows meanwhile"
        wrong = {one: state for one, state in states.items() if state != "success"}
        if wrong or len(states) != len(work):
            outcome.faults.append(f"of {len(work)} workflows these went wrong: {wrong}")
    return outcome


def printer(stage: Stage, share: float) -> Outcome:
    """Run a function that prints 100 MB as fast as it is taken."""
    megabytes = _many(100, share)
    with stage.ordeal("a printer", waiting=1) as outcome:
        workflow_id = stage.start_patiently("prints", megabytes=megabytes)
        ended = stage.system.await_end(workflow_id, limit_s=60 + megabytes)
        # A server that still digests what came before stores output after the end is told.
        path = f"/workflows/{workflow_id}/logs?limit=10"
        lines = stage.read_patiently(path, until=lambda answer: bool(answer.json()["items"]))
        outcome.told = f"{megabytes} MB printed"
        if ended["status"] != "success" or ended["result"] != megabytes * 10_000:
            outcome.faults.append(f"it ended as {ended['status']}: {ended['error']}")
        if lines.status_code != 200 or not lines.json()["items"]:
            outcome.faults.append(f"what it printed is not shown: {lines.status_code} {lines.text[:200]}")
    return outcome


def results(stage: Stage, share: float) -> Outcome:
    """Make 100 results of 5 MB, eight at a time, and read each three times at once."""
    count = _many(100, share)
    bodies = [{"definition": "bulky", "inputs": {"megabytes": 5}} for _ in range(count)]

    async def read(started: list[str]) -> int:
        async with httpx.AsyncClient(base_url=stage.system.url, timeout=120) as client:

            async def one(workflow_id: str) -> int:
                until = time.monotonic() + PATIENCE_S
                while True:
                    answer = await client.get(f"/workflows/{workflow_id}/result")
                    if answer.status_code != 503 or time.monotonic() > until:
                        return len(answer.content)
                    await asyncio.sleep(int(answer.headers["retry-after"]))

            sizes: list[int] = []
            for start in range(0, len(started), 8):
                sizes += await asyncio.gather(*(one(i) for i in started[start : start + 8] for _ in range(3)))
            return sum(size == 5_000_002 for size in sizes)

    with stage.ordeal("large results", connections=count, waiting=count) as outcome:
        answers = asyncio.run(submit(stage.port, bodies, tries=20))
        lost = stage.lost(answers.started, 60 + count * 2)
        whole = asyncio.run(read(answers.started))
        outcome.told = f"{len(answers.started)} results of 5 MB, {whole} read whole"
        if lost or len(answers.started) < count:
            outcome.faults.append(f"{len(lost)} have not ended, {dict(answers.refused)} were refused")
        if whole != 3 * len(answers.started):
            outcome.faults.append(f"{whole} of {3 * len(answers.started)} were read whole")
    return outcome


def ticker(stage: Stage, share: float) -> Outcome:
    """Watch eight workflows that report progress a thousand times a second each."""
    seconds = max(2.0, 20 * share)
    count = int(1_000 * seconds)

    async def act() -> list[int]:
        started = [
            await asyncio.to_thread(stage.start_patiently, "ticks", count=count, per_s=1_000)
            for _ in range(8)
        ]
        frames = await asyncio.gather(*(_watched(stage, workflow_id) for workflow_id in started))
        if stage.lost(started, 60):
            outcome.faults.append("not all have ended")
        return frames

    with stage.ordeal("progress", connections=8, waiting=8) as outcome:
        frames = asyncio.run(act())
        outcome.told = f"8 times {count} reports of progress, {min(frames)} to {max(frames)} frames each"
        most = 30 * (1 + outcome.took_s) + 200
        if max(frames) > most:
            outcome.faults.append(f"{max(frames)} frames were told")
    return outcome


async def _watched(stage: Stage, workflow_id: str) -> int:
    frames = 0
    async with connect(f"{stage.system.url.replace('http', 'ws')}/ws/workflows/{workflow_id}") as ws:
        async for text in ws:
            frames += json.loads(text)["type"] == "progress"
    return frames


ORDEALS: Final[dict[str, Ordeal]] = {
    "idle": idle,
    "deaf": deaf,
    "crowd": crowd,
    "inputs": bulky_inputs,
    "storm": storm,
    "floods": floods,
    "printer": printer,
    "results": results,
    "progress": ticker,
}
