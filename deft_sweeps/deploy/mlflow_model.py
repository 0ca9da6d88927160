"""A bundle as an MLflow model from code: MLflow copies this file beside the bundle, and runs it
when the model is loaded, so nothing of the model is pickled.
"""

from threading import Lock
from typing import Any

from mlflow.exceptions import MlflowException
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel
from pandas import DataFrame

from deft_sweeps.deploy.bundle_reader import load
from deft_sweeps.deploy.text_input import names_of
from deft_sweeps.errors import DataError

ARTIFACT = "bundle"
"""Name of the bundle among the model's artifacts."""


class BundleModel(PythonModel):  # type: ignore[misc]
    """Answers rows of texts; its settings are in `mlflow_registry.SETTINGS`."""

    def load_context(self, context: Any) -> None:
        """Open the bundle on the runtime that `model_config` names."""
        config = context.model_config
        self._predictor = load(context.artifacts[ARTIFACT], config["runtime"], config["n_threads"])
        self._limits = int(config["max_inputs"]), int(config["max_characters"])
        # MLflow's server asks from several threads, and a tokenizer cannot be shared by them.
        self._lock = Lock()

    def predict(
        self, context: Any, model_input: DataFrame, params: Any = None
    ) -> list[dict[str, Any]]:
        """One answer a row, as `Prediction.as_json` has it.

        Args:
            context: of MLflow.
            model_input: with the columns of the signature.
            params: none are taken.

        Raises:
            MlflowException: the rows are more or longer than the model's settings allow, or no
                texts; MLflow's server answers it with a 4xx.
        """
        del context, params
        names = list(names_of(self._predictor.manifest.task))
        rows = list(model_input[names].itertuples(index=False, name=None))
        most, longest = self._limits
        if len(rows) > most:
            raise MlflowException.invalid_parameter_value(
                f"expected at most {most:,} inputs a request, got {len(rows):,}"
            )
        n_characters = sum(len(text) for row in rows for text in row if isinstance(text, str))
        if n_characters > longest:
            raise MlflowException.invalid_parameter_value(
                f"expected at most {longest:,} characters a request, got {n_characters:,}"
            )
        try:
            with self._lock:
                predictions = self._predictor.predict(rows)
        except DataError as error:
            raise MlflowException.invalid_parameter_value(str(error)) from None
        return [prediction.as_json() for prediction in predictions]


set_model(BundleModel())
