"""The parties around a flow: our server, a receiver as awaithumans' documentation has it, workers that can be killed or frozen."""

import asyncio
import contextlib
import json
import logging
import os
import pathlib
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
import warnings
from datetime import timedelta

import uvicorn
from awaithumans.adapters.temporal import awaithumans_create_task, dispatch_signal
from fastapi import FastAPI, HTTPException, Request
from google.protobuf.duration_pb2 import Duration
from temporalio.api.testservice.v1 import SleepRequest
from temporalio.client import Client
from temporalio.worker import Worker

HERE = pathlib.Path(__file__).resolve().parent
# What the recordings were made with.
PAYLOAD_KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
ADMIN_TOKEN = "golden-admin-token-0123456789"
# For our server, and for the adapter's receiving half in here.
os.environ.update(AWAITHUMANS_PAYLOAD_KEY=PAYLOAD_KEY, AWAITHUMANS_ADMIN_API_TOKEN=ADMIN_TOKEN)
# As long as the recorded ones, so that histories are of the same size.
CLIENT, WORKER, SECOND_WORKER = "1001@me", "1002@me", "1003@me"
# Else the SDK makes it of what the process has loaded, and the two halves of a worker would be of two builds.
BUILD = "5eed" * 8
# In real time: what takes longer hangs.
LIMIT = 30


async def until(look, what):
    """Waits, in real time, until the look gives something."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LIMIT):
            while not (found := await look()):
                await asyncio.sleep(0.01)
            return found
    raise AssertionError(f"waited {LIMIT} s for {what}")


@contextlib.contextmanager
def served(executable):
    """Our server on free ports, for as long as the block runs; gives its ready line."""
    command = [executable, "serve", "--temporal-port=0", "--awaithumans-port=0", "--ui-port=0", "--time=skip", "--verifier=answer"]
    # Its log goes to our stderr.
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        ready = process.stdout.readline()
        if not ready:
            sys.exit("our server ended before it was ready")
        yield json.loads(ready)
        if process.poll() is not None:
            sys.exit(f"our server ended with {process.returncode} while the flows ran")
    finally:
        process.terminate()
        process.wait()


class Stage:
    def __init__(self, ready):
        self.temporal, self.awaithumans = ready["temporal"], ready["awaithumans"]
        self.client = None
        self.receiver = Receiver(self)
        self.gate = Gate(self)
        self.workers = []
        # The worker that most flows have.
        self.golden = None
        # What dispatch.json has and flows have played.
        self.dispatched = set()
        # A port that is taken, so that nobody listens there.
        self.taken = socket.socket()
        self.taken.bind(("127.0.0.1", 0))
        self.nobody = f"http://127.0.0.1:{self.taken.getsockname()[1]}"

    @contextlib.asynccontextmanager
    async def opened(self):
        self.client = await Client.connect(self.temporal, identity=CLIENT)
        async with self.receiver.served(), self.gate.served():
            try:
                yield self
            finally:
                for worker in self.workers:
                    worker.kill()

    async def worker(self, queue="golden", **options):
        worker = await WorkerProcess.start(self.temporal, queue, **options)
        self.workers.append(worker)
        return worker

    async def pass_time(self, seconds):
        """Virtual time passes; what is due meanwhile happens."""
        request = SleepRequest(duration=Duration(seconds=seconds))
        service = self.client.service_client.test_service
        await service.unlock_time_skipping_with_sleep(request, timeout=timedelta(seconds=LIMIT))

    async def pass_time_until(self, look, what, at_most=100):
        for passed in range(at_most + 1):
            if passed:
                await self.pass_time(1)
            if found := await look():
                return found
        raise AssertionError(f"{what} didn't come in {at_most} s")

    # ---- awaithumans ----

    async def api(self, method, path, body=None):
        return await asyncio.to_thread(self._api, method, path, body)

    def _api(self, method, path, body):
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {ADMIN_TOKEN}", "Content-Type": "application/json"}
        request = urllib.request.Request(self.awaithumans + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=LIMIT) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as answer:
            return answer.code, json.loads(answer.read())

    async def task(self, key):
        """The task with this idempotency key, as soon as it is there."""

        async def look():
            _, tasks = await self.api("GET", "/api/tasks?limit=200")
            return next((task for task in tasks if task["idempotency_key"] == key), None)

        return await until(look, f"task {key}")

    async def deliveries(self, task):
        _, rows = await self.api("GET", "/api/admin/webhook-deliveries?limit=500")
        return [row for row in rows if row["task_id"] == task["id"]]


class Local:
    """An HTTP server of ours on any free port."""

    def __init__(self):
        self.app = FastAPI()
        self.url = None

    @contextlib.asynccontextmanager
    async def served(self):
        server = uvicorn.Server(uvicorn.Config(self.app, host="127.0.0.1", port=0, log_level="critical"))
        running = asyncio.create_task(server.serve())

        async def started():
            return server.started

        await until(started, "a port")
        self.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        try:
            yield
        finally:
            server.should_exit = True
            await running


class Receiver(Local):
    """The callback route, and what came to it."""

    def __init__(self, stage):
        super().__init__()
        self.stage = stage
        self.received = []
        self.is_down = False
        self.app.post("/awaithumans/callback")(self.callback)

    async def callback(self, request: Request, wf: str):
        body = await request.body()
        receipt = {"wf": wf, "status": json.loads(body)["status"]}
        self.received.append(receipt)
        if self.is_down:
            receipt["answered"] = 503
            raise HTTPException(503, "down")
        signature = request.headers.get("x-awaithumans-signature")
        try:
            await dispatch_signal(
                temporal_client=self.stage.client, workflow_id=wf, body=body, signature_header=signature
            )
        except Exception as error:
            answered, shown = refusal(error)
            receipt.update(answered=answered, error=shown)
            raise HTTPException(answered) from error
        receipt["answered"] = 200
        return {"ok": True}

    def receipts(self, workflow_id):
        return [receipt for receipt in self.received if receipt["wf"] == workflow_id]

    async def answered(self, workflow_id, times=1):
        return len([receipt for receipt in self.receipts(workflow_id) if "answered" in receipt]) >= times


def refusal(error):
    """The status that the documentation's receiver answers with, and the error as the recording has it."""
    kind = type(error)
    if isinstance(error, PermissionError):
        return 401, f"{kind.__name__}: {error}"
    if isinstance(error, ValueError):
        return 400, f"{kind.__name__}: {error}"
    return 500, f"{kind.__module__}.{kind.__name__}: {error}"


class Gate(Local):
    """Stands before awaithumans where two activities ask at a time: the test says whose answer comes first."""

    def __init__(self, stage):
        super().__init__()
        self.stage = stage
        # Keys in order of their requests, and those that may be answered.
        self.asked = []
        self.open = []
        self.app.post("/api/tasks")(self.create)

    async def create(self, request: Request):
        body = await request.json()
        key = body["idempotency_key"]
        self.asked.append(key)

        async def look():
            return key in self.open

        await until(look, f"the gate to open for {key}")
        self.open.remove(key)
        status, answer = await self.stage.api("POST", "/api/tasks", body)
        if status != 201:
            raise HTTPException(status, answer)
        return answer

    async def arrived(self, count):
        async def look():
            return len(self.asked) >= count

        await until(look, f"{count} requests")


class WorkerProcess:
    """A worker in a process of its own, since nobody can be killed or frozen in here."""

    @classmethod
    async def start(cls, address, queue, **options):
        worker = cls()
        command = [sys.executable, str(HERE / "stage.py"), address, queue, json.dumps(options)]
        worker.process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
        if not await worker.process.stdout.readline():
            raise AssertionError("the worker ended before it was ready")
        return worker

    def freeze(self):
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)

    def kill(self):
        if self.process.returncode is None:
            self.process.kill()

    async def end(self):
        """As when it crashes: nobody is told."""
        self.kill()
        await self.process.wait()


async def work(address, queue, identity=WORKER, workflows=True, activities=True, at_once=100, fails_on=()):
    from workflow import Flow

    # What fails here is meant to.
    logging.disable()
    warnings.simplefilter("ignore")
    kinds = {"workflows": [Flow] if workflows else [], "activities": [awaithumans_create_task] if activities else []}
    failures = [Exception] if "Exception" in fails_on else []
    client = await Client.connect(address, identity=identity)
    options = {"build_id": BUILD, "max_concurrent_activities": at_once, "workflow_failure_exception_types": failures}
    async with Worker(client, task_queue=queue, **options, **kinds):
        print("ready", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(work(sys.argv[1], sys.argv[2], **json.loads(sys.argv[3])))
