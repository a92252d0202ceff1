"""What is around a flow: awaithumans, real or ours, a gate before it, and a web server with graphs as the documentation has it."""

import asyncio
import contextlib
import json
import urllib.error
import urllib.request

from awaithumans.adapters.langgraph import dispatch_resume
from fastapi import FastAPI, HTTPException, Request, Response

from parties import ADMIN_TOKEN, LIMIT, Awaithumans, Local, refusal, until

# In virtual seconds: longer than awaithumans takes to look at its deliveries, and for a task to end that has a minute.
A_WEBHOOK, A_MINUTE = 10, 70


class Stage(Awaithumans):
    def __init__(self, awaithumans, control=None):
        super().__init__(awaithumans, control)
        self.app = App()
        self.gate = Gate(self)

    @contextlib.asynccontextmanager
    async def opened(self):
        async with self.app.served(), self.gate.served():
            yield self

    async def pass_time(self, seconds):
        """Ours has time only when it is told so; the real one has it by itself."""
        if self.control:
            await self.testkit("/clock/advance", {"seconds": seconds})

    async def raw(self, method, path, body=b"", headers=()):
        """A request as it is; its status and the answer's body."""
        return await asyncio.to_thread(self._raw, method, path, body, dict(headers))

    def _raw(self, method, path, body, headers):
        request = urllib.request.Request(self.awaithumans + path, body or None, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=LIMIT) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as answer:
            return answer.code, answer.read()


class App(Local):
    """The web server that resumes graphs, and what came to it."""

    def __init__(self):
        super().__init__()
        self.graphs = {}
        self.received = []
        self.app.post("/awaithumans/callback")(self.callback)

    async def callback(self, request: Request, thread: str):
        body = await request.body()
        receipt = {"thread": thread, "status": json.loads(body)["status"]}
        self.received.append(receipt)
        try:
            await dispatch_resume(
                graph=self.graphs[thread],
                thread_id=thread,
                body=body,
                signature_header=request.headers.get("x-awaithumans-signature"),
            )
        except Exception as error:
            answered, shown = refusal(error)
            receipt.update(answered=answered, error=shown)
            raise HTTPException(answered) from error
        receipt["answered"] = 200
        return {"ok": True}

    def receipts(self, thread):
        return [receipt for receipt in self.received if receipt["thread"] == thread]

    async def answered(self, thread):
        async def look():
            return any("answered" in receipt for receipt in self.receipts(thread))

        await until(look, "the webhook", seconds=A_MINUTE + LIMIT)


class Gate(Local):
    """Stands before awaithumans and takes the token from polls."""

    def __init__(self, stage):
        super().__init__()
        self.stage = stage
        self.app = FastAPI()
        self.app.post("/api/tasks")(self.create)
        self.app.get("/api/tasks/{task}/poll")(self.poll)

    async def create(self, request: Request):
        headers = {"Authorization": f"Bearer {ADMIN_TOKEN}", "Content-Type": "application/json"}
        status, body = await self.stage.raw("POST", "/api/tasks", await request.body(), headers)
        return Response(body, status, media_type="application/json")

    async def poll(self, task: str):
        status, body = await self.stage.raw("GET", f"/api/tasks/{task}/poll?timeout=25")
        return Response(body, status, media_type="application/json")
