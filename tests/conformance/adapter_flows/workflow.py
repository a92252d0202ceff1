"""The workflow that was recorded: awaithumans' Python adapter in each way that the flows need.

Names, fields and their order are in the recorded histories, so they stay as they are.
"""

import asyncio
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from awaithumans.adapters.temporal import await_human
    from awaithumans.types import VerifierConfig


class RefundPayload(BaseModel):
    amount_usd: int
    customer_id: str


class RefundDecision(BaseModel):
    approved: bool
    notes: str = ""


@dataclass
class Params:
    callback_base: str
    server_url: str
    api_key: str | None
    timeout_seconds: int = 900
    key: str | None = None
    verifier: dict[str, Any] | None = None
    # single, sequential, concurrent, two keys or uncaught.
    mode: str = "single"
    assign_to: Any = None
    notify: list[str] | None = None
    activity_timeout: int = 30
    callback_wf: str | None = None


@workflow.defn
class Flow:
    @workflow.run
    async def run(self, params: Params) -> Any:
        own = workflow.info().workflow_id
        match params.mode:
            case "uncaught":
                return (await self._one(params)).model_dump()
            case "sequential":
                return [await self._caught(params), await self._caught(params)]
            case "concurrent":
                return list(await asyncio.gather(self._caught(params), self._caught(params)))
            case "two keys":
                keys = [f"a-{own}", f"b-{own}"]
                return list(await asyncio.gather(*(self._caught(params, key) for key in keys)))
            case _:
                return await self._caught(params)

    async def _caught(self, params, key=None):
        """What came of it, as data: a result, or an exception with all that a user sees of it."""
        started = workflow.time()
        try:
            decision = await self._one(params, key)
        except Exception as error:
            return self._raised(error, workflow.time() - started)
        took = round(workflow.time() - started, 3)
        return {"returned": type(decision).__name__, "value": decision.model_dump(), "workflow_s": took}

    def _raised(self, error, took):
        kind = type(error)
        found = {"raised": f"{kind.__module__}.{kind.__name__}", "message": str(error), "workflow_s": round(took, 3)}
        found.update({name: getattr(error, name) for name in ("code", "hint", "docs_url") if hasattr(error, name)})
        if error.__cause__ is not None:
            found["cause"] = f"{type(error.__cause__).__name__}: {error.__cause__}"
        return found

    def _one(self, params, key=None):
        target = params.callback_wf or workflow.info().workflow_id
        return await_human(
            task="Approve $250 refund for cus_demo?",
            payload_schema=RefundPayload,
            payload=RefundPayload(amount_usd=250, customer_id="cus_demo"),
            response_schema=RefundDecision,
            timeout_seconds=params.timeout_seconds,
            callback_url=f"{params.callback_base}/awaithumans/callback?wf={target}",
            server_url=params.server_url,
            api_key=params.api_key,
            idempotency_key=key or params.key,
            assign_to=params.assign_to,
            notify=params.notify,
            verifier=VerifierConfig(**params.verifier) if params.verifier else None,
            create_activity_timeout_seconds=params.activity_timeout,
        )
