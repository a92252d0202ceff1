"""Plays the recorded flows on our server, and compares. `../adapter-flows` starts this."""

import argparse
import asyncio
import base64
import json
import pathlib
import re
import sys
import time
import traceback

from compare import Normaliser, differences, history_differences
from flows import FLOWS, Play
from parties import served
from stage import HERE, Stage

RECORDINGS = HERE.parents[2] / "fixtures" / "conformance" / "adapter-history"
# What machine and recording had of their own, and what stands for it here.
RECORDED_TEXTS = {
    "127.0.0.1:17220": "AWAITHUMANS",
    "127.0.0.1:17221": "RECEIVER",
    "127.0.0.1:17229": "NOBODY",
    # The reason that the stand-in for the language model gave.
    "stub rejects: too vague": "REASON",
}
# How often the flow that times out is measured, and how much more it may take than the one that is answered.
RUNS, MOST_BEYOND_MS = 5, 100
# Of a delivery, what isn't chance; when it happens next is in the histories' times.
DELIVERY = ("url", "status", "attempt_count", "last_error", "last_status_code")
# Of what a webhook by hand came to.
SAID = ("ok", "raised", "message", "mro", "grpc_status", "status")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("executable", help="awaithumans-testkit")
    parser.add_argument("names", nargs="*", help="play only the flows with one of these in their names")
    parser.add_argument("--keep", metavar="FOLDER", type=pathlib.Path, help="write our histories there")
    flags = parser.parse_args()
    recorded = json.loads((RECORDINGS / "flows.json").read_text())
    dispatches = {entry["name"]: entry for entry in json.loads((RECORDINGS / "dispatch.json").read_text())}
    missing = {name for name in recorded if not name.startswith("_")} - FLOWS.keys()
    if missing:
        sys.exit(f"these flows are recorded, but nobody plays them: {', '.join(sorted(missing))}")
    with served(flags.executable) as ready:
        failed = asyncio.run(play_all(ready, recorded, dispatches, flags))
    sys.exit(1 if failed else 0)


async def play_all(ready, recorded, dispatches, flags):
    failed = passed = 0
    async with Stage(ready).opened() as stage:
        stage.golden = await stage.worker()
        if not flags.names:
            # Before workers are killed: what is left for them makes time wait a while before it jumps (DESIGN.md, Not there yet).
            slow = await too_slow(stage)
            failed, passed = failed + slow, passed + (not slow)
        for name, (workflow_id, play) in FLOWS.items():
            if flags.names and not any(part in name for part in flags.names):
                continue
            started = time.monotonic()
            lines = await play_one(stage, name, workflow_id, play, recorded[name], dispatches, flags.keep)
            took = time.monotonic() - started
            print(f"{'ok    ' if not lines else 'DIFFER'} {took:5.2f} s  {name}", flush=True)
            for line in lines:
                print(f"    {line}")
            failed, passed = failed + bool(lines), passed + (not lines)
    if not flags.names and (missing := dispatches.keys() - stage.dispatched):
        print(f"nobody played these webhooks: {', '.join(sorted(missing))}")
        failed += 1
    print(f"{passed} passed, {failed} failed")
    return failed


async def too_slow(stage):
    """Whether a minute that a flow waits in vain costs more real time than it may, beyond what the parties in Python need.

    The flow whose task is answered at once needs them as well, so that its time is taken off. The shortest of some runs counts: what else
    the machine does only makes them longer.
    """
    answered, timed_out = [], []
    for number in range(RUNS):
        answered.append(await seconds_of(stage, f"measured-answered-{number}", None, is_answered=True))
        timed_out.append(await seconds_of(stage, f"measured-timed-out-{number}", "TIMEOUT_EXCEEDED", is_answered=False))
    answered, timed_out = (round(min(times) * 1000) for times in (answered, timed_out))
    beyond = timed_out - answered
    print(f"60 s that pass in vain: {timed_out} ms of real time from start to result; a task that is answered at once: {answered} ms; "
          f"{beyond} ms beyond, of at most {MOST_BEYOND_MS}")
    return beyond >= MOST_BEYOND_MS


async def seconds_of(stage, workflow_id, code, is_answered):
    it = Play(stage, workflow_id)
    if is_answered:
        person = {"matches": {"key": it.key}, "does": {"complete": {"approved": True}}}
        await stage.testkit("/humans", {"person": person})
    started = time.monotonic()
    await it.start(timeout_seconds=60)
    result = await it.result()
    took = time.monotonic() - started
    assert result.get("code") == code, result
    return took


async def play_one(stage, name, workflow_id, play, recorded, dispatches, keep):
    """Gives a line for each difference."""
    it = Play(stage, workflow_id or "none")
    history = recorded_history(name) if workflow_id else None
    it.recorded_input = lambda kind: first_input(history, kind)
    try:
        await play(it)
        found = await compare(it, history, recorded, dispatches, keep and keep / f"{file_name(name)}.json")
    except Exception as error:
        found = [line for part in traceback.format_exception(error) for line in part.rstrip().splitlines()]
    await clean_up(it, workflow_id)
    return found


async def compare(it, history, recorded, dispatches, keep):
    stage = it.stage
    theirs = Normaliser(RECORDED_TEXTS)
    ours = Normaliser({
        stage.awaithumans.removeprefix("http://"): "AWAITHUMANS",
        stage.gate.url.removeprefix("http://"): "AWAITHUMANS",
        stage.receiver.url.removeprefix("http://"): "RECEIVER",
        stage.nobody.removeprefix("http://"): "NOBODY",
        "rejected by the answer": "REASON",
    })
    lines = []
    if history:
        played = json.loads((await it.handle.fetch_history()).to_json())
        if keep:
            keep.parent.mkdir(parents=True, exist_ok=True)
            keep.write_text(json.dumps(played, indent=1))
        lines += history_differences(theirs.history(history), ours.history(played))
        it.facts["status"] = (await it.handle.describe()).status.name
    dispatched = it.facts.pop("dispatch", {})
    stage.dispatched |= dispatched.keys()
    wanted = {name: recorded[name] for name in it.facts}
    lines += differences(theirs.json(fit(wanted)), ours.json(fit(it.facts)), "facts")
    wanted = {name: {key: dispatches[name][key] for key in SAID if key in dispatches[name]} for name in dispatched}
    return lines + list(differences(theirs.json(wanted), ours.json(dispatched), "dispatch"))


def fit(facts):
    """What of the facts is to be compared."""
    fitted = dict(facts)
    if "row" in facts:
        fitted["row"] = fit_delivery(facts["row"])
    if "delivery_row" in facts:
        fitted["delivery_row"] = [fit_delivery(row) for row in facts["delivery_row"]]
    return fitted


def fit_delivery(row):
    return {key: row[key] for key in DELIVERY}


async def clean_up(it, workflow_id):
    """What is still there of a flow doesn't move time or fail tasks in the next one."""
    for worker in it.stage.workers:
        if worker.process.returncode is None:
            worker.thaw()
    if workflow_id and await it.is_running():
        await it.handle.terminate("compared")


def recorded_history(name):
    return json.loads((RECORDINGS / "history" / f"{file_name(name)}.json").read_text())


def file_name(name):
    return re.sub("[^a-z0-9]+", "-", name.lower()).strip("-")


def first_input(history, kind):
    event = next(event for event in history["events"] if event["eventType"] == f"EVENT_TYPE_{kind}")
    fields = next(value for key, value in event.items() if key.endswith("Attributes"))
    return json.loads(base64.b64decode(fields["input"]["payloads"][0]["data"]))


if __name__ == "__main__":
    main()
