"""Brings two histories into a form in which only real differences are left, and finds those."""

import base64
import json
import re
from datetime import datetime

# What is chance, each with the place it may stand at. What has a name here must be the same thing wherever it stands again.
NAMED = {
    "originalExecutionRunId": "run",
    "firstExecutionRunId": "run",
    "newExecutionRunId": "run",
    "requestId": "request",
    "identity": "identity",
    "buildId": "build",
}
TASK_ID = re.compile(r"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z?")
STICKY = re.compile(r"(.+)-[0-9a-f]{32}")
FRAME = re.compile(r'File "(?:.*/)?([^/"]+)", line \d+, in (\S+)')
# How far sizes may be apart, in bytes: times take more or fewer of them, and stack traces name files, whose paths were cut
# short in the recordings.
SIZE, SIZE_PER_EVENT, SIZE_PER_FRAME = 4, 1, 40
# How far a workflow's own measure of its time may be apart: a webhook waits up to 5 s for awaithumans' scheduler, and
# where the recording starts a worker, that took it 2 s.
WORKFLOW_SECONDS = 8


class About:
    """A number that two runs needn't have the same."""

    def __init__(self, value, tolerance):
        self.value, self.tolerance = value, tolerance

    def __eq__(self, other):
        return isinstance(other, About) and abs(self.value - other.value) <= max(self.tolerance, other.tolerance)

    def __repr__(self):
        return f"{self.value} (±{self.tolerance})"


class Normaliser:
    """For one side. `replace`: texts that belong to the machine, such as addresses, and what stands for them."""

    def __init__(self, replace):
        self.replace = replace
        self.names = {}
        self.frames = 0

    def history(self, history):
        events = history["events"]
        times = {event["eventId"]: moment(event["eventTime"]) for event in events}
        return [self.event(number, event, times) for number, event in enumerate(events)]

    def event(self, number, event, times):
        found = {"taskId": "taskId" in event}
        for key, value in event.items():
            if key not in ("eventTime", "taskId"):
                found[key] = self.fields(value, number) if isinstance(value, dict) else value
                found.update(self.wait(event, key, value, times))
        return found

    def wait(self, event, key, value, times):
        """What time made happen is held to the second."""
        since = {"timerFiredEventAttributes": "startedEventId", "workflowTaskTimedOutEventAttributes": "scheduledEventId"}
        if key not in since:
            return {}
        return {"after": round(times[event["eventId"]] - times[value[since[key]]])}

    def fields(self, fields, number):
        return {key: self.field(key, value, number) for key, value in fields.items()}

    def field(self, key, value, number):
        if key in NAMED:
            return self.name(NAMED[key], value)
        if key == "historySizeBytes":
            return About(int(value), SIZE + SIZE_PER_EVENT * number + SIZE_PER_FRAME * self.frames)
        if key == "stackTrace":
            frames = FRAME.findall(value.replace("adapter_wf.py", "workflow.py"))
            self.frames += len(frames)
            return frames
        if key in ("coreUsedFlags", "langUsedFlags"):
            return sorted(value)
        if key == "payloads":
            return [self.payload(payload) for payload in value]
        if key == "taskQueue" and (sticky := STICKY.fullmatch(value["name"])):
            queue = f"{self.name('identity', sticky[1])}-{self.name('sticky', value['name'])}"
            return {**value, "name": queue}
        return self.value(value, number)

    def value(self, value, number):
        if isinstance(value, dict):
            return self.fields(value, number)
        if isinstance(value, list):
            return [self.value(item, number) for item in value]
        return self.text(value) if isinstance(value, str) else value

    def payload(self, payload):
        metadata = {key: base64.b64decode(value).decode() for key, value in payload["metadata"].items()}
        data = json.loads(base64.b64decode(payload.get("data", "")) or b"null")
        return {"metadata": metadata, "data": self.json(data)}

    def json(self, value, key=None):
        """Data of a user, of the adapter, or of awaithumans."""
        if isinstance(value, dict):
            return {key: self.json(item, key) for key, item in value.items()}
        if isinstance(value, list):
            return [self.json(item) for item in value]
        if key == "workflow_s":
            return About(value, WORKFLOW_SECONDS)
        if isinstance(value, float):
            # NaN isn't equal to itself, and 1.0 is equal to 1.
            return f"float {value}"
        return self.text(value) if isinstance(value, str) else value

    def text(self, text):
        for before, after in self.replace.items():
            text = text.replace(before, after)
        if TIME.fullmatch(text):
            # Whether it ends with a Z, and has a fraction, is awaithumans' doing and stays.
            return re.sub(r"\d", "0", text)
        return TASK_ID.sub(lambda found: self.name("task", found[0]), text)

    def name(self, kind, value):
        names = self.names.setdefault(kind, {})
        return names.setdefault(value, f"{kind} {len(names) + 1}")


def moment(text):
    seconds, _, nanoseconds = text.removesuffix("Z").partition(".")
    whole = datetime.fromisoformat(f"{seconds}+00:00").timestamp()
    return whole + int(nanoseconds.ljust(9, "0") or "0") / 1e9


def differences(recorded, ours, where=""):
    """Yields a line for each place at which the two aren't the same."""
    if isinstance(recorded, dict) and isinstance(ours, dict):
        for key in sorted(recorded.keys() | ours.keys()):
            if key not in ours:
                yield f"{where}.{key}: recorded {short(recorded[key])}, ours has none"
            elif key not in recorded:
                yield f"{where}.{key}: ours {short(ours[key])}, recorded has none"
            else:
                yield from differences(recorded[key], ours[key], f"{where}.{key}")
    elif isinstance(recorded, list) and isinstance(ours, list) and len(recorded) == len(ours):
        for number, pair in enumerate(zip(recorded, ours)):
            yield from differences(*pair, f"{where}[{label(number, pair[0])}]")
    elif type(recorded) is not type(ours) or recorded != ours:
        yield f"{where}: recorded {short(recorded)}, ours {short(ours)}"


def history_differences(recorded, ours):
    """The same for histories: where the events aren't of the same types, nothing else is worth saying."""
    types = [[kind(event) for event in side] for side in (recorded, ours)]
    if types[0] != types[1]:
        common = next((at for at, pair in enumerate(zip(*types)) if pair[0] != pair[1]), min(map(len, types)))
        yield f"from event {common + 1} on: recorded {' '.join(types[0][common:])}; ours {' '.join(types[1][common:])}"
        recorded, ours = recorded[:common], ours[:common]
    yield from differences(recorded, ours)


def kind(event):
    return event["eventType"].removeprefix("EVENT_TYPE_")


def label(number, item):
    return f"{item['eventId']} {kind(item)}" if isinstance(item, dict) and "eventType" in item else number


def short(value):
    text = repr(value)
    return text if len(text) <= 300 else text[:300] + "…"
