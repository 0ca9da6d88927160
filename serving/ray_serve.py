"""Serves a bundle with Ray Serve.

serve run serving.ray_serve:reviews bundle=/path/to/bundle
"""

from typing import Annotated, Any

from fastapi import Body, FastAPI
from ray import serve

import deft_sweeps

api = FastAPI()


@serve.deployment(num_replicas=1, ray_actor_options={"num_cpus": 1})
@serve.ingress(api)
class Reviews:
    """A replica: a process with the model in it."""

    def __init__(self, bundle: str) -> None:
        self.predictor = deft_sweeps.load(bundle, n_threads=1)

    # Async on purpose: a replica then answers one request at a time, and more replicas answer more.
    @api.post("/invocations")
    async def invocations(
        self, inputs: Annotated[list[str], Body(embed=True, max_length=512)]
    ) -> dict[str, list[Any]]:
        """One answer a text, in order."""
        return {"predictions": [one.as_json() for one in self.predictor.predict(inputs)]}


def reviews(arguments: dict[str, str]) -> serve.Application:
    """The application of the bundle that the command line names."""
    application: serve.Application = Reviews.bind(arguments["bundle"])
    return application
