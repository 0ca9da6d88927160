"""One trial of the plain script: transformers' Seq2SeqTrainer, peft's LoRA, forward hooks on the
MLPs' activations for the density loss and the density.
"""

import json
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import bitsandbytes as bnb
import numpy as np
import torch
from peft import LoraConfig, get_peft_model
from ray import tune
from torch import Tensor, nn
from transformers import (
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
    DataCollatorForSeq2Seq,
    Seq2SeqTrainer,
    Seq2SeqTrainingArguments,
    TrainerCallback,
)

N_REPORTS = 10
IGNORED = ["encoder_last_hidden_state", "past_key_values"]
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


class GateHooks:
    """Reads and thresholds the MLPs' activations.

    Attributes:
        eps: of the surrogate x^2 / (x^2 + eps).
        threshold: entries of at most this size are zeroed.
        counting: whether passes are counted for the density.
    """

    def __init__(self, model: nn.Module, eps: float) -> None:
        self.eps, self.threshold, self.counting = eps, 0.0, False
        self._masks: dict[str, Tensor] = {}
        self._losses: dict[str, list[Tensor]] = {"encoder": [], "decoder": []}
        self._sums: dict[str, float] = {}
        self._n_samples = 0
        for name, module in model.named_modules():
            if name.endswith("DenseReluDense.act"):
                stack = "encoder" if "encoder." in name else "decoder"
                module.register_forward_hook(self._hook(name, stack))

    def begin(self, inputs: dict[str, Tensor]) -> None:
        """Take the masks of the next pass."""
        self._masks = {"encoder": inputs["attention_mask"], "decoder": inputs["labels"] != -100}
        self._losses = {"encoder": [], "decoder": []}
        if self.counting:
            self._n_samples += inputs["labels"].shape[0]

    def loss(self) -> Tensor:
        """The density loss of the pass: the stacks' means over their blocks, added."""
        means = [torch.stack(blocks).mean() for blocks in self._losses.values()]
        return torch.stack(means).sum()

    def reset(self, threshold: float) -> None:
        """Begin to count at a threshold."""
        self.threshold, self.counting = threshold, True
        self._sums, self._n_samples = {}, 0

    def density(self) -> float:
        """Share of non-zero entries: mean over neurons and real tokens, samples, blocks."""
        return float(np.mean([total / self._n_samples for total in self._sums.values()]))

    def _hook(self, name: str, stack: str) -> Callable[..., Tensor | None]:
        def read(module: nn.Module, inputs: Any, output: Tensor) -> Tensor | None:
            changed = None
            if self.threshold > 0:
                changed = torch.where(output.abs() > self.threshold, output, 0.0)
                output = changed
            if module.training and self.eps > 0:
                square = output.float().square()
                share = (square / (square + self.eps)).mean(-1)
                self._losses[stack].append(self._mean(share, stack).mean())
            elif self.counting:
                share = (output != 0).float().mean(-1)
                counted = float(self._mean(share, stack).sum())
                self._sums[name] = self._sums.get(name, 0.0) + counted
            return changed

        return read

    def _mean(self, values: Tensor, stack: str) -> Tensor:
        mask = self._masks[stack].to(values.dtype)
        return (values * mask).sum(-1) / mask.sum(-1).clamp_min(1)


class DensityTrainer(Seq2SeqTrainer):  # type: ignore[misc]  # transformers is not typed for us
    """Adds the density loss, and notes each step's loss."""

    hooks: GateHooks
    density_weight: float
    step_losses: list[float]

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, **_: Any
    ) -> Any:
        """The task's loss plus the weighted density loss."""
        self.hooks.begin(inputs)
        outputs = model(**inputs)
        loss = outputs.loss
        if model.training:
            if self.density_weight:
                loss = loss + self.density_weight * self.hooks.loss()
            self.step_losses.append(loss.item())
        return (loss, outputs) if return_outputs else loss


class TuneReports(TrainerCallback):  # type: ignore[misc]
    """Reports what the trainer logs."""

    def __init__(self, report: Callable[[dict[str, Any]], None]) -> None:
        self._report = report

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        """Called by the trainer."""
        if logs and "loss" in logs:
            self._report({"step": state.global_step, "loss": logs["loss"]})


def run_trial(
    trial: dict[str, Any], folder: str, data: str, report: Callable[..., None]
) -> dict[str, Any]:
    """Trains, evaluates and saves one configuration."""
    torch.set_num_threads(1)
    examples = json.loads(Path(data).read_text(encoding="utf-8"))
    model = adapted(trial, folder)
    hooks = GateHooks(model, trial["density_eps"])
    with TemporaryDirectory() as scratch:
        trainer = DensityTrainer(
            model=model,
            args=arguments(trial, scratch),
            train_dataset=examples["train"],
            data_collator=DataCollatorForSeq2Seq(AutoTokenizer.from_pretrained(folder)),
            callbacks=[TuneReports(report)],
            preprocess_logits_for_metrics=lambda logits, _: best_class(
                logits, examples["class_tokens"]
            ),
            compute_metrics=accuracy,
        )
        trainer.hooks, trainer.density_weight = hooks, trial["density_weight"]
        trainer.step_losses = []
        trainer.train()
        points = evaluated(trainer, hooks, examples["validation"], trial["thresholds"])
        model.save_pretrained(scratch)
        # A checkpoint in Tune's storage, from which the adapter can be loaded.
        report(
            {"step": trial["steps"], "score": points[0]["score"]},
            checkpoint=tune.Checkpoint.from_directory(scratch),
        )
    return {"losses": trainer.step_losses, "points": points}


def adapted(trial: dict[str, Any], folder: str) -> Any:
    """The model with LoRA: loaded, its activation replaced, quantized or cast."""
    dtype = DTYPES[trial["dtype"]]
    model = AutoModelForSeq2SeqLM.from_pretrained(folder, dtype=torch.float32, dropout_rate=0.0)
    model.config.use_cache = False
    if trial["relu"]:
        for name, _ in list(model.named_modules()):
            if name.endswith("DenseReluDense.act"):
                model.set_submodule(name, nn.ReLU())
    if trial["nf4"]:
        quantize(model, dtype)
    for module in model.modules():
        for parameter in module.parameters(recurse=False):
            if not isinstance(parameter, bnb.nn.Params4bit):
                parameter.data = parameter.data.to(dtype)
    torch.manual_seed(trial["seed"])
    lora = LoraConfig(
        r=trial["r"],
        lora_alpha=trial["alpha"],
        target_modules=trial["targets"],
        task_type="SEQ_2_SEQ_LM",
    )
    return get_peft_model(model, lora)


def quantize(model: nn.Module, dtype: torch.dtype) -> None:
    """Every linear layer of the blocks in NF4.

    transformers' own BitsAndBytesConfig would leave T5's `wo` in float32.
    """
    for name, dense in list(model.named_modules()):
        if isinstance(dense, nn.Linear) and ".block." in name:
            packed = bnb.nn.Linear4bit(
                dense.in_features,
                dense.out_features,
                bias=False,
                compute_dtype=dtype,
                compress_statistics=False,
                quant_type="nf4",
                quant_storage=dtype,
            )
            packed.load_state_dict({"weight": dense.weight.data})
            packed.requires_grad_(False)
            # Else an evaluation on a CPU with AVX512-BF16 repacks the weights as uint8, to which
            # T5 would then cast the hidden states.
            packed.support_avx512bf16_for_cpu = False
            model.set_submodule(name, packed.to("cpu"))


def arguments(trial: dict[str, Any], scratch: str) -> Any:
    """Of the trainer: AdamW, a linear decay, gradients clipped."""
    return Seq2SeqTrainingArguments(
        output_dir=scratch,
        use_cpu=True,
        max_steps=trial["steps"],
        per_device_train_batch_size=trial["batch_size"],
        per_device_eval_batch_size=trial["eval_batch_size"],
        learning_rate=trial["learning_rate"],
        lr_scheduler_type="linear",
        weight_decay=trial["weight_decay"],
        max_grad_norm=trial["max_grad_norm"],
        train_sampling_strategy="sequential",  # The examples are shuffled already.
        logging_steps=max(1, trial["steps"] // N_REPORTS),
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=False,
        seed=trial["seed"],
    )


def evaluated(
    trainer: Any, hooks: GateHooks, examples: list[dict[str, Any]], thresholds: list[float]
) -> list[dict[str, float]]:
    """Score and density at each threshold, in batches of examples of similar length."""
    ordered = sorted(examples, key=lambda example: len(example["input_ids"]))
    points = []
    for threshold in thresholds:
        hooks.reset(threshold)
        metrics = trainer.evaluate(ordered, ignore_keys=IGNORED)
        points.append(
            {
                "threshold": threshold,
                "score": metrics["eval_accuracy"],
                "density": hooks.density(),
            }
        )
    return points


def best_class(logits: Any, class_tokens: list[int]) -> Tensor:
    """The likeliest class's first token: no other token of a label can influence it."""
    first = (logits[0] if isinstance(logits, tuple) else logits)[:, 0, class_tokens]
    return torch.tensor(class_tokens)[first.argmax(-1)]


def accuracy(prediction: Any) -> dict[str, float]:
    """Share of examples whose class is right."""
    return {"accuracy": float((prediction.predictions == prediction.label_ids[:, 0]).mean())}
