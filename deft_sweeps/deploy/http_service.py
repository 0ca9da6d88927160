"""Answers a deployed model over HTTP, in the words of MLflow's scoring protocol.

    GET  /ping          200 as soon as the model is loaded; needs no token
    GET  /model         what is served
    POST /invocations   {"inputs": [...]} gives {"predictions": [...]}, one for each input, in order

Every other request gets a 4xx and `{"error": "..."}` with what was expected.
"""

import hmac
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from threading import Lock
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from deft_sweeps.errors import DeftSweepsError

_LOG = logging.getLogger(__name__)

_EXPECTED = 'a JSON object with one key: {"inputs": ["a text", ...]}'


@dataclass(frozen=True, slots=True)
class ServiceLimits:
    """What one request may ask.

    Attributes:
        body_bytes: of a request's body.
        inputs: texts in a request.
    """

    body_bytes: int = 1 << 20
    inputs: int = 512


@dataclass(frozen=True, slots=True)
class Service:
    """A model behind HTTP.

    Attributes:
        answer: one JSON value for each input, in order; raises a DeftSweepsError that says what is
            wrong with an input. It is called by one thread at a time.
        description: what `/model` says.
        token: that a request must carry as `Authorization: Bearer TOKEN`.
        limits: of a request.
    """

    answer: Callable[[Sequence[Any]], Sequence[Any]]
    description: Mapping[str, Any]
    token: str = field(repr=False)
    limits: ServiceLimits = ServiceLimits()

    def app(self) -> FastAPI:
        """The web application, for any ASGI server."""
        app = FastAPI(title="deft_sweeps", docs_url=None, redoc_url=None, openapi_url=None)
        # Torch uses all the cores for one batch, so a second one beside it would only wait longer.
        lock = Lock()

        @app.exception_handler(HTTPException)
        async def refused(_: Request, error: HTTPException) -> JSONResponse:
            return JSONResponse({"error": error.detail}, error.status_code, error.headers)

        @app.get("/ping")
        async def ping() -> dict[str, str]:
            return {"status": "ready"}

        @app.get("/model")
        async def model(request: Request) -> dict[str, Any]:
            self._check_token(request)
            return dict(self.description)

        @app.post("/invocations")
        async def invocations(request: Request) -> dict[str, Any]:
            self._check_token(request)
            inputs = self._inputs(await self._body(request))
            return {"predictions": await run_in_threadpool(partial(self._answers, lock, inputs))}

        return app

    def _check_token(self, request: Request) -> None:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        matches = hmac.compare_digest(given.strip().encode(), self.token.encode())
        if scheme.lower() != "bearer" or not matches:
            raise HTTPException(
                401,
                "expected the header `Authorization: Bearer TOKEN` with this server's token",
                {"WWW-Authenticate": "Bearer"},
            )

    async def _body(self, request: Request) -> bytes:
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise HTTPException(
                415, f"expected Content-Type application/json, got {kind or 'none'}"
            )
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > self.limits.body_bytes:
                raise HTTPException(
                    413, f"expected a body of at most {self.limits.body_bytes:,} bytes"
                )
        return bytes(body)

    def _inputs(self, body: bytes) -> list[Any]:
        try:
            request = json.loads(body, parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            raise HTTPException(400, f"expected {_EXPECTED}; this is no JSON: {error}") from None
        if not isinstance(request, dict) or set(request) != {"inputs"}:
            raise HTTPException(422, f"expected {_EXPECTED}")
        inputs = request["inputs"]
        if not isinstance(inputs, list):
            raise HTTPException(422, f"expected `inputs` to be a list, got {_kind(inputs)}")
        if len(inputs) > self.limits.inputs:
            raise HTTPException(
                413, f"expected at most {self.limits.inputs} inputs a request, got {len(inputs)}"
            )
        return inputs

    def _answers(self, lock: Lock, inputs: list[Any]) -> list[Any]:
        try:
            with lock:
                return list(self.answer(inputs))
        except DeftSweepsError as error:
            raise HTTPException(422, str(error)) from None
        except Exception:
            _LOG.exception("a request failed")
            raise HTTPException(500, "the model failed on this request; see the log") from None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


def _kind(value: object) -> str:
    names = {dict: "an object", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")
