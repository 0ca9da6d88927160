"""Time per generated token of whole T5 models with random weights at batch 1: torch, the runtime
`sparse`, and CTranslate2 where it is installed.

    python -m benchmarks.sparse_models small

CTranslate2 computes whole models only, so it cannot be compared block by block. All variants decode
the same number of tokens in turns; the first turn is left out. The gates' thresholds leave the
wanted density on the first token.
"""

import argparse
import copy
import statistics
import tempfile
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.sparse import DENSITIES, SIZES, Times, timed
from deft_sweeps.axes.activation.gate import install_gates_
from deft_sweeps.models.families import PUBLISHED_CONFIGS, layout
from deft_sweeps.sparse.replacement import sparse_mlp_


def per_token(call: Callable[[], object], n_tokens: int) -> float:
    return timed(call) / n_tokens


def whole_models(size: str, n_threads: int, n_tokens: int = 16) -> None:
    """Milliseconds a token of whole models with random weights, 24 source tokens, batch 1."""
    from transformers import T5Config, T5ForConditionalGeneration

    torch.manual_seed(0)
    config = T5Config(**PUBLISHED_CONFIGS[f"google/flan-t5-{size}"], decoder_start_token_id=0)
    model: Any = T5ForConditionalGeneration(config).eval()
    source = torch.randint(5, 30_000, (1, 24))

    def decode(one: Any) -> float:
        options: dict[str, Any] = {"max_new_tokens": n_tokens, "min_new_tokens": n_tokens}
        with torch.inference_mode():
            return per_token(partial(one.generate, source, do_sample=False, **options), n_tokens)

    with tempfile.TemporaryDirectory() as folder:
        calls = translators(model, source, n_threads, n_tokens, Path(folder))
    variants: dict[str, Any] = {"torch fp32": model}
    for density in DENSITIES:
        one = copy.deepcopy(model)
        shape = layout(config.to_dict())
        gates = install_gates_(one, shape, "pretrained")
        for at in gates:
            at.gate.threshold = 0.0 if density == 1 else 1e30
            at.gate.reader = None
        set_densities(one, gates, source, density)
        sparse_mlp_(one, shape, gates, n_threads=n_threads)
        variants[f"sparse fp32 {density:g}"] = one
    calls |= {name: partial(decode, one) for name, one in variants.items()}
    times: Times = {name: [] for name in calls}
    for _ in range(6):
        for name, call in calls.items():
            times[name].append(call())
    print(f"\n{size}, whole model, {n_tokens} tokens, measured (first turn left out)")
    for name, seconds in times.items():
        low, high = min(seconds[1:]), max(seconds[1:])
        middle = statistics.median(seconds[1:])
        print(f"  {name}: {middle * 1e3:.2f} ms a token ({low * 1e3:.2f} to {high * 1e3:.2f})")


def set_densities(model: Any, gates: Any, source: Tensor, density: float) -> None:
    """Each gate's threshold such that `density` of its entries stay, measured on one token."""
    if density == 1:
        return
    for at in gates:
        at.gate.threshold = 0.0

        def read(_: Tensor, gate: Tensor, at: Any = at) -> None:
            at.gate.block_threshold = float(gate[0, -1].abs().quantile(1 - density))

        at.gate.reader = read
    with torch.inference_mode():
        model(input_ids=source, decoder_input_ids=torch.zeros(1, 1, dtype=torch.long))
    for at in gates:
        at.gate.reader = None


def translators(
    model: Any, source: Tensor, n_threads: int, n_tokens: int, folder: Path
) -> dict[str, Callable[[], float]]:
    """CTranslate2's float32 and int8 models; none, with the reason, where it is not installed."""
    if find_spec("ctranslate2") is None:
        print("CTranslate2 is not installed: left out (pip install ctranslate2)")
        return {}
    import ctranslate2  # type: ignore[import-not-found, import-untyped, unused-ignore]
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from transformers import PreTrainedTokenizerFast

    words = {str(i): i for i in range(model.config.vocab_size)}
    calls: dict[str, Callable[[], float]] = {}
    model.save_pretrained(folder / "hf")
    made = Tokenizer(WordLevel(words, unk_token="2"))  # noqa: S106
    PreTrainedTokenizerFast(
        tokenizer_object=made,
        pad_token="0",  # noqa: S106
        eos_token="1",  # noqa: S106
        unk_token="2",  # noqa: S106
    ).save_pretrained(folder / "hf")
    tokens = [[str(int(one)) for one in source[0]]]
    for kind in ("float32", "int8"):
        ctranslate2.converters.TransformersConverter(str(folder / "hf")).convert(
            str(folder / kind), quantization=kind
        )
        translator = ctranslate2.Translator(
            str(folder / kind), inter_threads=1, intra_threads=n_threads, compute_type=kind
        )
        options = {"beam_size": 1, "min_decoding_length": n_tokens, "max_decoding_length": n_tokens}
        translate = partial(translator.translate_batch, tokens, **options)
        calls[f"CTranslate2 {kind}"] = partial(per_token, translate, n_tokens)
    return calls


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sizes", nargs="+", choices=SIZES)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    for size in options.sizes:
        whole_models(size, options.threads)


if __name__ == "__main__":
    main()
