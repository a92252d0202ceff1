"""The flows: what a program sees of awaithumans by the plain SDK and by its LangGraph adapter.

A flow gives facts, under the same names on every server.
"""

import asyncio
import json
import os
import re
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import FunctionType
from typing import TypedDict

import awaithumans
from awaithumans.adapters import langgraph as adapter
from awaithumans.errors import AwaitHumansError
from awaithumans.types import MarketplaceAssignment, VerifierConfig
from awaithumans.utils.webhook_signing import sign_body
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from pydantic import BaseModel

from parties import ADMIN_TOKEN
from stage import A_MINUTE, A_WEBHOOK

FLOWS = {}
VERIFIER = VerifierConfig(provider="claude", instructions="strict", max_attempts=2)
REJECTED, PASSED = {"verdict": "reject", "approved": True}, {"verdict": "pass", "approved": True}
# As long as such a task is there, nobody can list tasks, so that nothing else may happen.
BREAKS_LISTS = "answer has a lone surrogate"
# Of a task, what an asking program has a say in.
TASK = ("task", "payload", "status", "timeout_seconds", "assign_to", "assigned_to_email", "notify", "redact_payload", "task_metadata",
        "verifier_config", "idempotency_key", "callback_url", "form_definition")


class Payload(BaseModel):
    amount: int
    note: str = ""


class Answer(BaseModel):
    approved: bool
    notes: str = ""


class Narrow(BaseModel):
    amount: int
    customer: str


def flow(name):
    def register(play):
        FLOWS[name] = play
        return play

    return register


class Play:
    """One flow on a stage."""

    def __init__(self, stage, name):
        self.stage = stage
        self.key = "flow:" + re.sub("[^a-z0-9]+", "-", name.lower()).strip("-")
        self.facts = {}
        # A task to delete at the end.
        self.broken = None

    # ---- What a program does ----

    def question(self, **more):
        usual = {
            "task": "Refund é日本?",
            "payload_schema": Payload,
            "payload": Payload(amount=250),
            "response_schema": Answer,
            "timeout_seconds": 900,
            "server_url": self.stage.awaithumans,
            "api_key": ADMIN_TOKEN,
            "idempotency_key": self.key,
        }
        return {**usual, **more}

    def ask(self, in_sync, **more):
        """Begins to ask."""
        question = self.question(**more)
        if in_sync:
            # Not among the threads of the event loop, of which there are few: this one waits for long.
            thread = ThreadPoolExecutor(1)
            return asyncio.get_running_loop().run_in_executor(thread, partial(awaithumans.await_human_sync, **question))
        return asyncio.create_task(awaithumans.await_human(**question))

    async def outcome(self, asked, as_what="outcome"):
        self.facts[as_what] = await outcome(asked)

    async def task(self):
        return await self.stage.task(self.key)

    # ---- What people do ----

    async def act(self, method, path, body=None):
        status, _ = await self.stage.api(method, path, body)
        self.facts.setdefault("http", []).append(status)

    async def complete(self, response, **more):
        task = await self.task()
        await self.act("POST", f"/api/tasks/{task['id']}/complete", {"response": response, **more})

    async def cancel(self):
        await self.act("POST", f"/api/tasks/{(await self.task())['id']}/cancel")

    async def expire(self):
        await self.task()
        await self.stage.pass_time(A_MINUTE)

    # ---- A graph ----

    def graph(self, **more):
        """A graph of one node, which asks a person."""
        callback = f"{self.stage.app.url}/awaithumans/callback?thread={self.key}"
        question = self.question(callback_url=callback, **more)

        async def ask(state):
            answer = await adapter.await_human(**question)
            return {"answer": answer.model_dump()}

        graph = StateGraph(State).add_node("ask", ask).add_edge(START, "ask").add_edge("ask", END)
        self.stage.app.graphs[self.key] = graph.compile(checkpointer=InMemorySaver())
        return self.stage.app.graphs[self.key]

    @property
    def config(self):
        return {"configurable": {"thread_id": self.key}}

    async def interrupted(self, graph):
        state = await graph.ainvoke({"answer": None}, self.config)
        self.facts["interrupts"] = [interrupt.value for interrupt in state["__interrupt__"]]

    async def resumed(self, graph):
        await self.stage.pass_time(A_WEBHOOK)
        await self.stage.app.answered(self.key)
        state = await graph.aget_state(self.config)
        self.facts["receipts"] = self.stage.app.receipts(self.key)[:1]
        self.facts["state"] = {"answer": state.values["answer"], "next": list(state.next)}


class State(TypedDict):
    answer: dict | None


async def outcome(asked):
    try:
        answer = await asked
    except Exception as error:
        kind = type(error)
        found = {"raised": f"{kind.__module__}.{kind.__name__}", "message": str(error)}
        if isinstance(error, AwaitHumansError):
            found.update(code=error.code, hint=error.hint, docs_url=error.docs_url)
        return found
    return {"answered": answer.model_dump() if isinstance(answer, BaseModel) else answer}


# ---- The plain SDK ----


def asked(what, **question):
    """A flow of `await_human`, and the same one of `await_human_sync`: somebody asks, and while he waits this happens."""

    def register(happens):
        for in_sync, function in ((False, "await_human"), (True, "await_human_sync")):

            @flow(f"{function}: {what}")
            async def play(it, in_sync=in_sync):
                begun = it.ask(in_sync, **{key: value(it) if isinstance(value, FunctionType) else value for key, value in question.items()})
                await happens(it)
                # A poll looks again and again, and in between there is time.
                await it.stage.pass_time(A_WEBHOOK)
                await it.outcome(begun)
                if it.broken:
                    await it.act("DELETE", f"/api/tasks/{it.broken['id']}")

        return happens

    return register


def urls(name):
    return lambda it: getattr(it.stage, name)


async def nothing(it):
    """What is refused needs nobody."""


@asked("completed")
async def _(it):
    await it.complete({"approved": True, "notes": "ok é日本"}, completed_by_email="alice@acme.example")


@asked("completed after two polls")
async def _(it):
    await it.task()
    if it.stage.control:
        await it.stage.pass_time(60)
    await it.complete({"approved": False, "extra": 1.0})


@asked("cancelled")
async def _(it):
    await it.cancel()


asked("timed_out", timeout_seconds=60)(Play.expire)


@asked("verification_exhausted", verifier=VERIFIER)
async def _(it):
    await it.complete(REJECTED)
    await it.complete(REJECTED)


@asked("rejected, then passed", verifier=VERIFIER)
async def _(it):
    await it.complete(REJECTED)
    await it.complete(PASSED)


@asked("provider is unknown, cancelled", verifier=VERIFIER.model_copy(update={"provider": "nobody"}))
async def _(it):
    await it.complete(PASSED)
    await it.cancel()


@asked("answer fails the schema")
async def _(it):
    await it.complete({"approved": "not a bool at all"})


@asked("answer is empty")
async def _(it):
    await it.complete({})


@asked("answer has NaN")
async def _(it):
    await it.complete({"approved": True, "extra": float("nan")})


@asked(BREAKS_LISTS)
async def _(it):
    it.broken = await it.task()
    await it.complete({"approved": True, "notes": "\ud800"})


@asked("deleted meanwhile")
async def _(it):
    task = await it.task()
    await it.act("DELETE", f"/api/tasks/{task['id']}")
    await it.stage.pass_time(30)


@asked("all that can be said", assign_to=["a@acme.example", "b@acme.example"], notify=["email:a@acme.example"], redact_payload=True,
       verifier=VERIFIER)
async def _(it):
    task = await it.task()
    it.facts["task"] = {name: task.get(name, "absent") for name in TASK}
    await it.cancel()


@asked("assigned to one", assign_to="a@acme.example")
async def _(it):
    task = await it.task()
    it.facts["task"] = {name: task.get(name, "absent") for name in TASK}
    await it.cancel()


asked("payload fails the schema", payload_schema=Narrow)(nothing)
asked("timeout is too short", timeout_seconds=59)(nothing)
asked("timeout is too long", timeout_seconds=2_592_001)(nothing)
asked("assigned to the marketplace", assign_to=MarketplaceAssignment())(nothing)
asked("refused: token is wrong", api_key="wrong")(nothing)
asked("assigned to a number, notify is wrong, no text", assign_to=42, notify=["carrier-pigeon"], task="")(Play.cancel)
asked("nobody listens", server_url=urls("nobody"))(nothing)
asked("refused: text is a number", task=42)(nothing)
asked("poll is refused", server_url=lambda it: it.stage.gate.url)(nothing)


@flow("await_human: the same key again, each end")
async def _(it):
    for what, act in (("completed", lambda: it.complete({"approved": True})), ("cancelled", it.cancel), ("timed_out", it.expire)):
        it.key = f"flow:again-{what}"
        begun = it.ask(False, timeout_seconds=60)
        await act()
        await it.stage.pass_time(A_WEBHOOK)
        await it.outcome(begun, f"{what}, first")
        await it.outcome(it.ask(True, task="Another question", timeout_seconds=900), f"{what}, again")


@flow("await_human: address and token from the environment, key from the question")
async def _(it):
    os.environ["AWAITHUMANS_URL"] = it.stage.awaithumans
    it.key = awaithumans.client._generate_idempotency_key("From the environment?", Payload(amount=250))
    begun = it.ask(False, task="From the environment?", server_url=None, api_key=None, idempotency_key=None)
    await it.complete({"approved": True})
    await it.stage.pass_time(A_WEBHOOK)
    await it.outcome(begun)


# ---- The LangGraph adapter ----


def graphed(what, **question):
    """A flow of a graph that is interrupted, and resumed after this has happened."""

    def register(happens):
        @flow(f"langgraph: {what}")
        async def play(it):
            graph = it.graph(**question)
            await it.interrupted(graph)
            await happens(it)
            await it.resumed(graph)

            # What the node's program sees is what a second graph with the same key sees, at once.
            again = it.graph(**question)
            await it.outcome(again.ainvoke({"answer": None}, it.config), "again")

        return happens

    return register


@graphed("completed")
async def _(it):
    await it.complete({"approved": True, "notes": "ok é日本"})


@graphed("cancelled")
async def _(it):
    await it.cancel()


graphed("timed_out", timeout_seconds=60)(Play.expire)


@graphed("verification_exhausted", verifier=VERIFIER)
async def _(it):
    await it.complete(REJECTED)
    await it.complete(REJECTED)


@graphed("rejected, then passed", verifier=VERIFIER)
async def _(it):
    await it.complete(REJECTED)
    await it.complete(PASSED)


@graphed("answer fails the schema")
async def _(it):
    await it.complete({"approved": "not a bool at all"})


def refused(what, **question):
    """A flow of a graph whose node fails."""

    @flow(f"langgraph: {what}")
    async def play(it):
        given = {key: value(it) if isinstance(value, FunctionType) else value for key, value in question.items()}
        await it.outcome(it.graph(**given).ainvoke({"answer": None}, it.config))


refused("refused: token is wrong", api_key="wrong")
refused("refused: timeout is too short", timeout_seconds=30)
refused("nobody listens", server_url=urls("nobody"))


@flow("langgraph: webhooks by hand")
async def _(it):
    graph = it.graph()
    await it.interrupted(graph)
    task = await it.task()
    body = json.dumps({"task_id": task["id"], "idempotency_key": it.key, "status": "completed", "response": {"approved": True}}).encode()
    signature = sign_body(body)

    async def by_hand(what, body, signature, thread=it.key):
        await it.outcome(adapter.dispatch_resume(graph=graph, thread_id=thread, body=body, signature_header=signature), what)

    await by_hand("no signature", body, None)
    await by_hand("tampered signature", body, signature[:-1] + ("1" if signature[-1] == "0" else "0"))
    await by_hand("tampered body", body.replace(b"true", b"false"), signature)
    await by_hand("not JSON", b"not json", sign_body(b"not json"))
    await by_hand("unknown thread", body, signature, "no-such-thread")
    await by_hand("as it should be", body, signature)
    await it.cancel()
