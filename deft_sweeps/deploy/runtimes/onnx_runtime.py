"""Runs exported ONNX graphs. Loads no torch."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deft_sweeps.deploy.runtime import GeneratedText, ModelInputs
from deft_sweeps.deploy.runtimes.greedy import GreedyReading


@dataclass(frozen=True)
class OnnxRuntime:
    """An exported ONNX model on the CPU.

    Attributes:
        folder: that holds `model.onnx`, or `encoder.onnx` and `decoder.onnx`.
        n_threads: that one operator may use.
        name: of the runtime.
    """

    folder: Path
    n_threads: int = 1
    name: str = "onnx"

    def class_log_probabilities(
        self, inputs: ModelInputs, class_ids: Sequence[Sequence[int]]
    ) -> NDArray[np.float32]:
        """See `Runtime`.

        Raises:
            ValueError: the graph scores other classes, or none.
        """
        exported = self._metadata.get("class_ids")
        if exported is None:
            raise ValueError("this ONNX export scores no classes: it has a head, or writes text")
        if [tuple(ids) for ids in class_ids] != [tuple(ids) for ids in json.loads(exported)]:
            raise ValueError(
                f"this ONNX export scores the classes with token ids {exported}, got"
                f" {[list(ids) for ids in class_ids]}; export again for other classes"
            )
        return self._answer("log_probabilities", inputs)

    def head_outputs(self, inputs: ModelInputs) -> NDArray[np.float32]:
        """See `Runtime`.

        Raises:
            ValueError: the model answers by text.
        """
        if not (self.folder / "model.onnx").is_file() or "class_ids" in self._metadata:
            raise ValueError("this ONNX export answers by text, not by a head")
        return self._answer("logits", inputs)

    def generate(self, inputs: ModelInputs, *, max_new_tokens: int) -> list[GeneratedText]:
        """See `Runtime`.

        Raises:
            ValueError: the export holds no decoder.
        """
        if not (self.folder / "decoder.onnx").is_file():
            raise ValueError(
                "this ONNX export scores classes or has a head; only a task whose answer is"
                " written is exported with a decoder"
            )
        ids = self._decoder.get_modelmeta().custom_metadata_map
        start_id, end_id = int(ids["start_id"]), int(ids["end_id"])
        state = self._start(inputs)
        tokens = np.full((len(inputs.input_ids), 1), start_id)
        reading = GreedyReading(end_id)
        while len(reading.steps) < max_new_tokens and not reading.all_ended:
            logits, state = self._step(tokens, state)
            tokens = reading.take(logits)[:, None]
        return reading.texts()

    @cached_property
    def _model(self) -> Any:
        return self._session("model.onnx")

    @cached_property
    def _encoder(self) -> Any:
        return self._session("encoder.onnx")

    @cached_property
    def _decoder(self) -> Any:
        return self._session("decoder.onnx")

    @property
    def _metadata(self) -> dict[str, str]:
        if not (self.folder / "model.onnx").is_file():
            return {}
        metadata: dict[str, str] = self._model.get_modelmeta().custom_metadata_map
        return metadata

    def _session(self, file: str) -> Any:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.n_threads
        options.inter_op_num_threads = 1
        # Its own notes are on the graph's optimisation, which nobody who serves it can change.
        options.log_severity_level = 3
        return onnxruntime.InferenceSession(
            self.folder / file, options, providers=["CPUExecutionProvider"]
        )

    def _answer(self, name: str, inputs: ModelInputs) -> NDArray[np.float32]:
        answer: NDArray[np.float32] = self._model.run([name], _feed(self._model, inputs))[0]
        return answer

    def _start(self, inputs: ModelInputs) -> dict[str, Any]:
        """What the first decoder step reads, by its names."""
        names = [output.name for output in self._encoder.get_outputs()]
        encoded = self._encoder.run_with_ort_values(names, _values(_feed(self._encoder, inputs)))
        state = {_input_name(name): value for name, value in zip(names, encoded, strict=True)}
        n = len(inputs.input_ids)
        for wanted in self._decoder.get_inputs():
            if wanted.name.startswith("cache.self.") and wanted.name not in state:
                heads, width = wanted.shape[1], wanted.shape[3]
                state |= _values({wanted.name: np.zeros((n, heads, 0, width), np.float32)})
        return state

    def _step(
        self, tokens: NDArray[np.int64], state: dict[str, Any]
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        names = [output.name for output in self._decoder.get_outputs()]
        feed = state | _values({"decoder_input_ids": tokens})
        logits, *grown = self._decoder.run_with_ort_values(names, feed)
        return logits.numpy(), state | {
            _input_name(name): value for name, value in zip(names[1:], grown, strict=True)
        }


def _feed(session: Any, inputs: ModelInputs) -> dict[str, NDArray[np.int64]]:
    columns = {
        "input_ids": inputs.input_ids,
        "attention_mask": inputs.attention_mask,
        "token_type_ids": inputs.token_type_ids,
    }
    feed = {}
    for wanted in session.get_inputs():
        column = columns[wanted.name]
        if column is None:
            column = np.zeros_like(inputs.input_ids)
        feed[wanted.name] = np.ascontiguousarray(column, dtype=np.int64)
    return feed


def _input_name(name: str) -> str:
    """Of the decoder, for what an encoder or an earlier step gave under `name`."""
    return name if name == "encoder_attention_mask" else f"cache.{name}"


def _values(arrays: dict[str, Any]) -> dict[str, Any]:
    import onnxruntime

    return {name: onnxruntime.OrtValue.ortvalue_from_numpy(array) for name, array in arrays.items()}
