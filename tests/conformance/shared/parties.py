"""What flows have around them, whichever adapter they are of: our server, awaithumans as its admin sees it, HTTP servers of a test."""

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
import urllib.error
import urllib.request

import uvicorn
from fastapi import FastAPI

# What the recordings were made with.
PAYLOAD_KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
ADMIN_TOKEN = "golden-admin-token-0123456789"
# For our server, and for the adapter's receiving half in here.
os.environ.update(AWAITHUMANS_PAYLOAD_KEY=PAYLOAD_KEY, AWAITHUMANS_ADMIN_API_TOKEN=ADMIN_TOKEN)
# In real time: what takes longer hangs.
LIMIT = 30


async def until(look, what, seconds=LIMIT):
    """Waits, in real time, until the look gives something."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while not (found := await look()):
                await asyncio.sleep(0.01)
            return found
    raise AssertionError(f"waited {seconds} s for {what}")


@contextlib.contextmanager
def served(executable, time="skip", **more):
    """Our server on free ports, for as long as the block runs; gives its ready line. `more`: what its process is to have."""
    ports = ["--temporal-port=0", "--awaithumans-port=0", "--ui-port=0"]
    command = [executable, "serve", *ports, f"--time={time}", "--verifier=answer"]
    # Its log goes to our stderr.
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **more)
    try:
        ready = process.stdout.readline()
        if not ready:
            sys.exit("our server ended before it was ready")
        yield {**json.loads(ready), "pid": process.pid}
        if process.poll() is not None:
            sys.exit(f"our server ended with {process.returncode} while the flows ran")
    finally:
        process.terminate()
        process.wait()


class Awaithumans:
    """An awaithumans server, as its admin sees it. `control`: the URL of the control API, which ours has."""

    def __init__(self, url, control=None):
        self.awaithumans, self.control = url, control
        # A port that is taken, so that nobody listens there.
        self.taken = socket.socket()
        self.taken.bind(("127.0.0.1", 0))
        self.nobody = f"http://127.0.0.1:{self.taken.getsockname()[1]}"

    async def api(self, method, path, body=None):
        return await asyncio.to_thread(self._api, method, self.awaithumans + path, body)

    async def testkit(self, path, body):
        """Asks the control API for something; it must agree."""
        status, answer = await asyncio.to_thread(self._api, "POST", f"{self.control}/_testkit/v1{path}", body)
        assert status == 200, answer

    @staticmethod
    def _api(method, url, body):
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {ADMIN_TOKEN}", "Content-Type": "application/json"}
        request = urllib.request.Request(url, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=LIMIT) as answer:
                return answer.status, parsed(answer.read())
        except urllib.error.HTTPError as answer:
            return answer.code, parsed(answer.read())

    async def task(self, key):
        """The task with this idempotency key, as soon as it is there."""

        async def look():
            _, tasks = await self.api("GET", "/api/tasks?limit=200")
            return next((task for task in tasks if task["idempotency_key"] == key), None)

        return await until(look, f"task {key}")

    async def deliveries(self, task):
        _, rows = await self.api("GET", "/api/admin/webhook-deliveries?limit=500")
        return [row for row in rows if row["task_id"] == task["id"]]


def parsed(body):
    """A body as JSON, if it is some: errors of the server itself are plain text, and some answers are empty."""
    try:
        return json.loads(body)
    except json.JSONDecodeError:
        return body.decode()


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


def refusal(error):
    """The status that the documentation's receiver answers with, and the error as the recording has it."""
    kind = type(error)
    if isinstance(error, PermissionError):
        return 401, f"{kind.__name__}: {error}"
    if isinstance(error, ValueError):
        return 400, f"{kind.__name__}: {error}"
    return 500, f"{kind.__module__}.{kind.__name__}: {error}"
