"""The 34 flows that were recorded, each played so that everything that was chance then comes out as it did.

A flow gives what there is to compare besides the history: the facts that flows.json has of it, by the same names.
"""

import contextlib
import json

from awaithumans.adapters.temporal import _CreateTaskInput, awaithumans_create_task, dispatch_signal
from awaithumans.utils.webhook_signing import sign_body
from temporalio.client import WorkflowFailureError
from temporalio.service import RPCError, RPCStatusCode

from parties import ADMIN_TOKEN, until
from stage import SECOND_WORKER
from workflow import Flow, Params

FLOWS = {}
VERIFIER = {"provider": "claude", "instructions": "strict", "max_attempts": 2}
DISPATCH_BODY = {"response": {"approved": True}, "completed_at": "2026-11-22T00:00:00", "timed_out_at": None,
                 "completed_by_email": None, "completed_via_channel": None, "verification_attempt": 0}


def flow(name, workflow_id):
    """Names a flow, and the workflow whose history is compared."""

    def register(play):
        FLOWS[name] = (workflow_id, play)
        return play

    return register


class Play:
    """One flow's workflow, on a stage."""

    def __init__(self, stage, workflow_id):
        self.stage, self.id = stage, workflow_id
        self.key = f"temporal:{workflow_id}"
        self.handle = stage.client.get_workflow_handle(workflow_id)
        self.facts = {}

    async def start(self, workflow_id=None, queue="golden", **params):
        usual = {"callback_base": self.stage.receiver.url, "server_url": self.stage.awaithumans, "api_key": ADMIN_TOKEN}
        params = Params(**{**usual, **params})
        return await self.stage.client.start_workflow(Flow.run, params, id=workflow_id or self.id, task_queue=queue)

    async def events(self, handle=None):
        history = await (handle or self.handle).fetch_history()
        return json.loads(history.to_json())["events"]

    async def has(self, *types, handle=None):
        """Whether the history has events of these types, a type named twice at least twice."""
        found = [event["eventType"].removeprefix("EVENT_TYPE_") for event in await self.events(handle)]
        return all(found.count(kind) >= types.count(kind) for kind in types)

    async def is_running(self):
        try:
            return (await self.handle.describe()).status.name == "RUNNING"
        except RPCError as error:
            if error.status == RPCStatusCode.NOT_FOUND:
                return False
            raise

    async def waits(self, handle=None, times=1):
        """Until the workflow waits for a person, so that nothing else happens at a time with what comes next."""
        await until(lambda: self.has(*["TIMER_STARTED"] * times, handle=handle), "await_human to wait")

    async def complete(self, task, response, **more):
        status, _ = await self.stage.api("POST", f"/api/tasks/{task['id']}/complete", {"response": response, **more})
        return status

    async def cancel(self, task):
        status, _ = await self.stage.api("POST", f"/api/tasks/{task['id']}/cancel")
        return status

    async def result(self, handle=None):
        try:
            return await (handle or self.handle).result()
        except WorkflowFailureError as error:
            cause = error.cause
            kind = type(cause)
            return {"workflow_failed": f"{type(error).__name__}: {error}", "cause_type": getattr(cause, "type", None),
                    "cause": f"{kind.__module__}.{kind.__name__}: {cause}"}

    async def ends(self):
        self.facts["result"] = await self.result()

    def receipts(self, workflow_id=None):
        self.facts["receipts"] = self.stage.receiver.receipts(workflow_id or self.id)

    async def answered(self, act, **params):
        """The common way: a person does something, and the workflow ends."""
        await self.start(**params)
        task = await self.stage.task(params.get("key") or self.key)
        await self.waits()
        self.facts["http"] = await act(task)
        await self.ends()
        self.receipts()
        return task


# ---- A person answers ----


def answers(name, *responses, **params):
    """A flow in which a person gives these answers, one after the other."""
    responses = [response if isinstance(response, tuple) else (response, {}) for response in responses]

    @flow(name, f"golden-{name.replace(' ', '-')}")
    async def play(it):
        async def act(task):
            statuses = [await it.complete(task, response, **more) for response, more in responses]
            return statuses if len(statuses) > 1 else statuses[0]

        await it.answered(act, **params)


ALICE = {"completed_by_email": "alice@acme.example", "completed_via_channel": "dashboard"}
for number in range(5):
    answers(f"completed {number}", ({"approved": True, "notes": "ok é日本"}, ALICE))
answers("completed float and extra", {"approved": True, "notes": "x", "extra": 1.0})
answers("response fails schema", {"approved": "not a bool at all"})
answers("response empty", {})
answers(
    "verification_exhausted",
    {"verdict": "reject", "approved": True},
    {"verdict": "reject", "approved": False},
    verifier=VERIFIER,
)
answers(
    "verification_exhausted with verification_attempt in the response",
    {"verdict": "reject", "verification_attempt": 7},
    {"verdict": "reject", "verification_attempt": 7},
    verifier=VERIFIER,
)
answers(
    "rejected then passed",
    {"verdict": "reject", "approved": True},
    {"verdict": "pass", "approved": True},
    verifier=VERIFIER,
)


@flow("cancelled", "golden-cancelled")
async def _(it):
    await it.answered(it.cancel)


# ---- The key is known already ----


def replayed(what, of):
    """A flow whose task has been over for long: the key is that of an earlier flow."""

    @flow(f"replayed {what}", f"golden-replayed-{what.replace(' ', '-')}")
    async def play(it):
        await it.start(key=f"temporal:golden-{of}")
        await it.ends()
        it.receipts()


replayed("completed", of="completed-0")
replayed("cancelled", of="cancelled")
replayed("verification_exhausted", of="verification_exhausted")
replayed("schema failure", of="response-fails-schema")


@flow("sequential same default key", "golden-sequential")
async def _(it):
    async def act(task):
        return await it.complete(task, {"approved": True, "notes": "first"})

    await it.answered(act, mode="sequential")


# ---- Two at a time ----


@contextlib.asynccontextmanager
async def two_halves(it, at_once):
    """The worker in two processes, so that its workflows can be frozen while its activities go on."""
    for worker in it.stage.workers:
        await worker.end()
    workflows = await it.stage.worker(activities=False)
    activities = await it.stage.worker(workflows=False, at_once=at_once)
    try:
        yield workflows
    finally:
        await workflows.end()
        await activities.end()
        it.stage.golden = await it.stage.worker()


async def created_one_by_one(it, workflows, first, second):
    """The second task's answer comes while the workflow is at work on the first one's."""
    # Both halves wait for tasks by the time the requests are here.
    workflows.freeze()
    it.stage.gate.open.append(first)
    await until(lambda: it.has(*["WORKFLOW_TASK_STARTED"] * 2), "the workflow to learn of the first task")
    it.stage.gate.open.append(second)

    async def both_are_done():
        description = await it.handle.describe()
        return not description.raw_description.pending_activities

    await until(both_are_done, "the second task")
    workflows.thaw()
    await it.waits(times=2)


@flow("concurrent same default key (the first loses its signal)", "golden-concurrent")
async def _(it):
    async with two_halves(it, at_once=1) as workflows:
        before = len(it.stage.gate.asked)
        await it.start(mode="concurrent", timeout_seconds=60, server_url=it.stage.gate.url)
        await it.stage.gate.arrived(before + 1)
        await created_one_by_one(it, workflows, it.key, it.key)
        it.facts["http"] = await it.complete(await it.stage.task(it.key), {"approved": True, "notes": "x"})
        await it.ends()
        it.receipts()


@flow("concurrent two keys", "golden-two-keys")
async def _(it):
    keys = [f"{letter}-{it.id}" for letter in "ab"]
    async with two_halves(it, at_once=2) as workflows:
        before = len(it.stage.gate.asked)
        await it.start(mode="two keys", server_url=it.stage.gate.url)
        await it.stage.gate.arrived(before + 2)
        # In the recording, the second one was first; and so it was with the webhooks, which the real server takes in no order.
        await created_one_by_one(it, workflows, keys[1], keys[0])
        a, b = [await it.stage.task(key) for key in keys]
        it.facts["http"] = [await it.complete(b, {"approved": False, "notes": "B"})]
        await it.stage.pass_time_until(lambda: it.has("TIMER_CANCELED"), "the first signal")
        it.facts["http"].append(await it.complete(a, {"approved": True, "notes": "A"}))
        await it.ends()
        it.receipts()


SHARED = ("golden-shared-1", "golden-shared-2")


@flow("two workflows, one key: the first", SHARED[0])
async def _(it):
    handles = []
    for workflow_id in SHARED:
        handles.append(await it.start(workflow_id, key="golden-shared", timeout_seconds=60))
        await it.waits(handles[-1])
    it.facts["http"] = await it.complete(await it.stage.task("golden-shared"), {"approved": True, "notes": "shared"})
    await it.ends()
    it.receipts()


@flow("two workflows, one key: the second (never signalled, times out)", SHARED[1])
async def _(it):
    await it.ends()
    it.receipts()


# ---- Exceptions that the workflow doesn't catch ----


@flow("uncaught cancelled, default worker", "golden-uncaught-default")
async def _(it):
    await it.start(mode="uncaught")
    task = await it.stage.task(it.key)
    await it.waits()
    it.facts["http"] = await it.cancel(task)
    await it.stage.pass_time_until(lambda: it.stage.receiver.answered(it.id), "the webhook")

    async def is_at_its_third_attempt():
        task = (await it.handle.describe()).raw_description.pending_workflow_task
        return task.attempt == 3 and task.HasField("started_time")

    # Where the recording ends. The SDK answers the first attempt only: the second one takes the 10 s that it may, and a worker
    # that has a task keeps time from being skipped.
    await until(is_at_its_third_attempt, "the third attempt")
    it.receipts()


@flow("uncaught cancelled, workflow_failure_exception_types=[Exception]", "golden-uncaught-failing")
async def _(it):
    worker = await it.stage.worker("golden-fail", fails_on=["Exception"])
    await it.start(queue="golden-fail", mode="uncaught")
    task = await it.stage.task(it.key)
    await it.waits()
    it.facts["http"] = await it.cancel(task)
    await it.ends()
    it.receipts()
    await worker.end()


# ---- The task can't be created ----


def refused(name, workflow_id, **params):
    """A flow whose activity fails until somebody sees to it."""

    @flow(name, workflow_id)
    async def play(it):
        await it.start(**{key: value(it) if callable(value) else value for key, value in params.items()})

        async def fourth_attempt_failed():
            pending = (await it.handle.describe()).raw_description.pending_activities
            return pending and pending[0].attempt == 5 and pending

        pending = await it.stage.pass_time_until(fourth_attempt_failed, "the fifth attempt", at_most=12)
        it.facts["pending_after_8_s"] = [seen_of(activity) for activity in pending]


def seen_of(activity):
    failure = activity.last_failure
    details = failure.application_failure_info
    return {"attempt": activity.attempt, "last_failure": failure.message[:400], "type": details.type,
            "non_retryable": details.non_retryable}


refused("create refused 422 (timeout 30)", "golden-create-refused-422", timeout_seconds=30)
refused("create refused 401", "golden-create-refused-401", api_key="wrong")
refused("server unreachable", "golden-server-unreachable", server_url=lambda it: it.stage.nobody)


# ---- The receiver ----


@flow("receiver down at the first attempt", "golden-receiver-down")
async def _(it):
    receiver = it.stage.receiver
    await it.start()
    task = await it.stage.task(it.key)
    await it.waits()
    receiver.is_down = True
    it.facts["http"] = await it.complete(task, {"approved": True})
    await it.stage.pass_time_until(lambda: receiver.answered(it.id), "the webhook")
    receiver.is_down = False
    await it.ends()
    it.receipts()


@flow("redelivery to a finished workflow", None)
async def _(it):
    of = "golden-receiver-down"
    row = (await it.stage.deliveries(task := await it.stage.task(f"temporal:{of}")))[0]
    await it.stage.api("POST", f"/api/admin/webhook-deliveries/{row['id']}/redeliver")
    await it.stage.pass_time_until(lambda: it.stage.receiver.answered(of, times=3), "the webhook")
    it.receipts(of)
    it.facts["row"] = (await it.stage.deliveries(task))[0]


@flow("callback_url names an unknown workflow", "golden-unknown-callback-wf")
async def _(it):
    async def act(task):
        return await it.complete(task, {"approved": True})

    task = await it.answered(act, timeout_seconds=60, callback_wf="no-such-workflow")
    it.receipts("no-such-workflow")
    it.facts["delivery_row"] = await it.stage.deliveries(task)


# ---- Time runs out ----


@flow("timed_out (workflow timer 60 s wins, webhook arrives later)", "golden-timed_out")
async def _(it):
    await it.start(timeout_seconds=60)
    task = await it.stage.task(it.key)
    await it.ends()
    await it.stage.pass_time_until(lambda: it.stage.receiver.answered(it.id), "the webhook")
    it.receipts()
    _, task = await it.stage.api("GET", f"/api/tasks/{task['id']}")
    it.facts["task"] = {name: task[name] for name in ("status", "created_at", "timed_out_at")}
    it.facts["delivery_row"] = await it.stage.deliveries(task)


@flow("timed_out by signal (server expired first)", "golden-timed_out-by-signal")
async def _(it):
    # For the recording, the task was made older in awaithumans' database. Here it has been there for 52 s when the workflow
    # asks for it.
    earlier = it.recorded_input("ACTIVITY_TASK_SCHEDULED")
    earlier.update(server_url=it.stage.awaithumans, callback_url=f"{it.stage.receiver.url}/awaithumans/callback?wf={it.id}")
    await awaithumans_create_task(_CreateTaskInput(**earlier))
    await it.stage.pass_time(52)
    await it.start(timeout_seconds=60)
    await it.ends()
    it.receipts()


# ---- The worker ----


@flow("worker stopped while the human answers", "golden-worker-restart")
async def _(it):
    worker = await it.stage.worker("golden-restart")
    await it.start(queue="golden-restart")
    task = await it.stage.task(it.key)
    await it.waits()
    await worker.end()
    it.facts["http"] = await it.complete(task, {"approved": True, "notes": "while the worker was down"})
    await it.stage.pass_time_until(lambda: it.stage.receiver.answered(it.id), "the webhook")
    worker = await it.stage.worker("golden-restart", identity=SECOND_WORKER)
    await it.ends()
    it.receipts()
    await worker.end()


# ---- Webhooks by hand ----


async def dispatched(it, body, signature, workflow_id):
    """Gives a body to the adapter's receiving half; what came of it, as dispatch.json has it."""
    try:
        await dispatch_signal(
            temporal_client=it.stage.client, workflow_id=workflow_id, body=body, signature_header=signature
        )
    except Exception as error:
        kind = type(error)
        found = {"raised": f"{kind.__module__}.{kind.__name__}", "message": str(error),
                 "mro": [base.__name__ for base in kind.__mro__][:5]}
        return found | ({"grpc_status": str(error.status)} if isinstance(error, RPCError) else {})
    return {"ok": True}


def webhook(task, key, status="completed", **more):
    """A webhook's body, its fields in the order in which the real server has them."""
    return {"task_id": task["id"], "idempotency_key": key, "status": status, **DISPATCH_BODY, **more}


def encoded(body):
    return json.dumps(body, separators=(",", ":")).encode()


@flow("dispatch target", "golden-dispatch")
async def _(it):
    await it.start()
    task = await it.stage.task(it.key)
    await it.waits()
    worker = it.stage.golden
    outcomes = it.facts["dispatch"] = {}

    async def by_hand(name, body, signature=..., workflow_id=it.id):
        signature = sign_body(body) if signature is ... else signature
        outcomes[name] = await dispatched(it, body, signature, workflow_id)

    good = webhook(task, it.key)
    body = encoded(good)
    signature = sign_body(body)
    await by_hand("missing header", body, None)
    await by_hand("empty header", body, "")
    await by_hand("tampered body", body.replace(b"true", b"false"), signature)
    await by_hand("tampered signature", body, signature[:-1] + ("1" if signature[-1] == "0" else "0"))
    await by_hand("upper-case hex", body, "sha256=" + signature[7:].upper())
    await by_hand("prefix SHA256=", body, "SHA256=" + signature[7:])
    await by_hand("signature with spaces", body, f" {signature} ")
    await by_hand("non-ASCII signature", body, "sha256=é")
    await by_hand("wrong key", body, "sha256=" + "0" * 64)
    unreadable = {"bad JSON": b"not json", "empty body": b"", "not UTF-8": b'{"a":"\xff"}', "array": b"[]", "string": b'"x"',
                  "null": b"null", "number": b"1", "no idempotency_key": encoded({"status": "completed"}),
                  "idempotency_key null": encoded({**good, "idempotency_key": None}),
                  "idempotency_key int": encoded({**good, "idempotency_key": 7})}
    for name, bad in unreadable.items():
        await by_hand(name, bad)
    # The recorded worker was still at work on this signal when the next one but two came.
    worker.freeze()
    await by_hand("BOM", b"\xef\xbb\xbf" + body)
    await until(lambda: it.has(*["WORKFLOW_TASK_STARTED"] * 3), "the worker to have the signal")
    await by_hand("unknown workflow id", body, signature, "no-such-workflow")
    await by_hand("empty workflow id", body, signature, "")
    await by_hand("other idempotency_key (signal nobody handles)", encoded(webhook(task, "other-key")))
    worker.thaw()
    await it.ends()
    await by_hand("empty idempotency_key", encoded(webhook(task, "")))
    await by_hand("status null (ignored by the wait)", encoded(webhook(task, it.key, None)))
    await by_hand("no status (ignored by the wait)", encoded({key: good[key] for key in good if key != "status"}))
    outcomes["workflow status after all of these"] = {"status": (await it.handle.describe()).status.name}
    await by_hand("signature without prefix", body, signature[7:])
    await by_hand("after the workflow completed", body, signature)


def dispatched_once(name, workflow_id, *change):
    """A flow that one webhook ends, of a kind that awaithumans doesn't send."""

    @flow(name, workflow_id)
    async def play(it):
        await it.start()
        await it.waits()
        # Another task's id, as in the recording: nobody looks at it.
        body = encoded(webhook({"id": "0" * 32}, it.key, *change[:1], **(change[1] if change[1:] else {})))
        it.facts["dispatch"] = {name: await dispatched(it, body, sign_body(body), it.id)}
        await it.ends()


dispatched_once("unknown status", "golden-unknown-status", "weird")
dispatched_once(
    "NaN in the response",
    "golden-nan",
    "completed",
    {"response": {"approved": True, "notes": "x", "f": float("nan")}},
)
