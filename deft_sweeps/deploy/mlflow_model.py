"""A bundle as an MLflow model from code: MLflow copies this file beside the bundle, and runs it
when the model is loaded, so nothing of the model is pickled.

MLflow checks a request against the annotation of `predict`, and answers other types with a 4xx.
"""

from threading import Lock
from typing import Any

from mlflow.exceptions import MlflowException
from mlflow.models import ModelConfig, set_model
from mlflow.pyfunc import PythonModel
from pydantic import BaseModel

from deft_sweeps.deploy.bundle_reader import load
from deft_sweeps.errors import DataError

ARTIFACT = "bundle"
"""Name of the bundle among the model's artifacts."""


class TextPair(BaseModel, extra="forbid"):
    """One input of a task on two texts."""

    text: str
    text_pair: str


class ContextQuestion(BaseModel, extra="forbid"):
    """One input of a task that answers questions."""

    question: str
    context: str


class AnsweredInput(BaseModel):
    """What is answered to one input; see `Prediction`."""

    value: str | float
    probabilities: dict[str, float] | None = None


class BundleModel(PythonModel):  # type: ignore[misc]  # MLflow is typed only in part
    """Opens the bundle; its settings are in `mlflow_registry.SETTINGS`."""

    def load_context(self, context: Any) -> None:
        """Open the bundle on the runtime that `model_config` names."""
        config = context.model_config
        self._predictor = load(context.artifacts[ARTIFACT], config["runtime"], config["n_threads"])
        self._limits = int(config["max_inputs"]), int(config["max_characters"])
        # MLflow's server asks from several threads, and a tokenizer cannot be shared by them.
        self._lock = Lock()

    def answers(self, rows: list[tuple[str, ...]]) -> list[Any]:
        """One answer a row, as JSON with the fields of `AnsweredInput`.

        Raises:
            MlflowException: the rows are more or longer than the model's settings allow, or no
                texts; MLflow's server answers it with a 4xx.
        """
        most, longest = self._limits
        if len(rows) > most:
            raise MlflowException.invalid_parameter_value(
                f"expected at most {most:,} inputs a request, got {len(rows):,}"
            )
        n_characters = sum(len(text) for row in rows for text in row)
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


class TextModel(BundleModel):
    """Answers texts."""

    def predict(
        self, context: Any, model_input: list[str], params: Any = None
    ) -> list[AnsweredInput]:
        """One answer a text."""
        return self.answers([(text,) for text in model_input])


class TextPairModel(BundleModel):
    """Answers pairs of texts."""

    def predict(
        self, context: Any, model_input: list[TextPair], params: Any = None
    ) -> list[AnsweredInput]:
        """One answer a pair."""
        return self.answers([(pair.text, pair.text_pair) for pair in model_input])


class QuestionModel(BundleModel):
    """Answers questions from contexts."""

    def predict(
        self, context: Any, model_input: list[ContextQuestion], params: Any = None
    ) -> list[AnsweredInput]:
        """One answer a question."""
        return self.answers([(one.question, one.context) for one in model_input])


_MODELS: dict[tuple[str, ...], type[BundleModel]] = {
    ("text",): TextModel,
    ("text", "text_pair"): TextPairModel,
    ("question", "context"): QuestionModel,
}
"""By the keys of an input, see `text_input.names_of`."""

set_model(_MODELS[tuple(ModelConfig(development_config={"inputs": ["text"]}).get("inputs"))]())
