"""Plays the flows on our server and compares with what was recorded; or records them. `../sdk-flows` starts this."""

import argparse
import asyncio
import contextlib
import io
import json
import logging
import os
import pathlib
import re
import sys
import tempfile
import time
import traceback

from compare import Normaliser, differences
from flows import BREAKS_LISTS, FLOWS, Play
from parties import served
from stage import Stage

RECORDED = pathlib.Path(__file__).resolve().parents[3] / "fixtures" / "conformance" / "sdk-flows" / "flows.json"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("executable", help="awaithumans-testkit")
    parser.add_argument("names", nargs="*", help="play only the flows with one of these in their names")
    parser.add_argument("--record", metavar="URL", help="write down what the real awaithumans there does, instead")
    flags = parser.parse_args()
    # What fails here is meant to.
    logging.disable()
    # The SDK looks there for a server of this user's.
    with tempfile.TemporaryDirectory() as home:
        os.environ["HOME"] = home
        sys.exit(record(flags) if flags.record else compare_all(flags))


def chosen(names):
    return {name: play for name, play in FLOWS.items() if not names or any(part in name for part in names)}


# ---- Recording ----


def record(flags):
    facts = asyncio.run(record_all(flags))
    recorded = json.loads(RECORDED.read_text()) if flags.names else {}
    RECORDED.parent.mkdir(parents=True, exist_ok=True)
    RECORDED.write_text(json.dumps(recorded | facts, indent=1, ensure_ascii=False) + "\n")
    print(f"{len(facts)} flows recorded")


async def record_all(flags):
    """All at a time, since some take more than a minute."""
    async with Stage(flags.record).opened() as stage:

        async def one(name, play):
            it = Play(stage, name)
            # A task in these flows has a minute, or somebody answers.
            await asyncio.wait_for(play(it), 200)
            return name, normalised(stage, it.facts)

        with contextlib.redirect_stderr(io.StringIO()):
            flows = chosen(flags.names).items()
            together = await asyncio.gather(*(one(*flow) for flow in flows if BREAKS_LISTS not in flow[0]))
            alone = [await one(*flow) for flow in flows if BREAKS_LISTS in flow[0]]
            return dict(together + alone)


# ---- Comparing ----


def compare_all(flags):
    recorded = json.loads(RECORDED.read_text())
    if missing := recorded.keys() - FLOWS.keys():
        sys.exit(f"these flows are recorded, but nobody plays them: {', '.join(sorted(missing))}")
    with served(flags.executable, time="manual") as ready:
        failed = asyncio.run(play_all(ready, recorded, flags))
    return 1 if failed else 0


async def play_all(ready, recorded, flags):
    failed = passed = 0
    async with Stage(ready["awaithumans"], ready["ui"]).opened() as stage:
        for name, play in chosen(flags.names).items():
            started = time.monotonic()
            lines = await play_one(stage, name, play, recorded.get(name))
            took = time.monotonic() - started
            print(f"{'ok    ' if not lines else 'DIFFER'} {took:5.2f} s  {name}", flush=True)
            for line in lines:
                print(f"    {line}")
            failed, passed = failed + bool(lines), passed + (not lines)
    print(f"{passed} passed, {failed} failed")
    return failed


async def play_one(stage, name, play, recorded):
    """Gives a line for each difference."""
    it = Play(stage, name)
    try:
        # The SDK writes there that it waits.
        with contextlib.redirect_stderr(io.StringIO()):
            await asyncio.wait_for(play(it), 60)
        return list(differences(recorded, normalised(stage, it.facts), "facts"))
    except Exception as error:
        return [line for part in traceback.format_exception(error) for line in part.rstrip().splitlines()]


def normalised(stage, facts):
    """What is chance has a name."""
    texts = {
        stage.awaithumans.removeprefix("http://"): "AWAITHUMANS",
        stage.gate.url.removeprefix("http://"): "GATE",
        stage.app.url.removeprefix("http://"): "APP",
        stage.nobody.removeprefix("http://"): "NOBODY",
    }
    # As plain JSON, so that tuples are lists; NaN stays.
    return json.loads(json.dumps(Normaliser(texts).json(facts)))


if __name__ == "__main__":
    main()
