"""The parties around a flow: our server, a receiver as awaithumans' documentation has it, workers that can be killed or frozen."""

import asyncio
import contextlib
import json
import logging
import pathlib
import signal
import subprocess
import sys
import warnings
from datetime import timedelta

from awaithumans.adapters.temporal import awaithumans_create_task, dispatch_signal
from fastapi import HTTPException, Request
from google.protobuf.duration_pb2 import Duration
from temporalio.api.testservice.v1 import SleepRequest
from temporalio.client import Client
from temporalio.worker import Worker

from parties import LIMIT, Awaithumans, Local, refusal, until

HERE = pathlib.Path(__file__).resolve().parent
# As long as the recorded ones, so that histories are of the same size.
CLIENT, WORKER, SECOND_WORKER = "1001@me", "1002@me", "1003@me"
# Else the SDK makes it of what the process has loaded, and the two halves of a worker would be of two builds.
BUILD = "5eed" * 8


class Stage(Awaithumans):
    def __init__(self, ready):
        super().__init__(ready["awaithumans"], ready["ui"])
        self.temporal = ready["temporal"]
        self.client = None
        self.receiver = Receiver(self)
        self.gate = Gate(self)
        self.workers = []
        # The worker that most flows have.
        self.golden = None
        # What dispatch.json has and flows have played.
        self.dispatched = set()

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
