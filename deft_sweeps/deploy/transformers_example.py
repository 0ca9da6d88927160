"""How plain transformers opens the folder `hf` of a bundle, as a few lines of Python."""

from collections.abc import Sequence

from deft_sweeps.deploy.manifest import ADAPTER, Manifest, TaskContract
from deft_sweeps.models.answering import first_tokens_differ
from deft_sweeps.tasks.tokens import fill


def transformers_example(manifest: Manifest) -> str:
    """Python that answers one text, to run in the bundle's folder; empty where plain transformers
    cannot open the bundle.

    It imports transformers, torch and, beside an adapter, peft.
    """
    artifact = manifest.artifact("hf")
    if artifact is None:
        return ""
    is_adapter = artifact.form == ADAPTER
    if is_adapter and not manifest.base.folder and manifest.base.name.startswith("packaged/"):
        return ""
    task = manifest.task
    auto = _auto_class(task)
    model = _adapter(manifest, auto) if is_adapter else [f'model = {auto}.from_pretrained("hf")']
    answer = _written(manifest) if task.form == "text-to-text" else _by_head(manifest)
    needs_torch = any("torch." in line for line in (*model, *answer))
    lines = [*model, 'tokenizer = AutoTokenizer.from_pretrained("hf")', *answer]
    return "\n".join([*_imports(auto, lines, needs_torch=needs_torch), "", *lines])


def _auto_class(task: TaskContract) -> str:
    if task.form == "text-to-text":
        return "AutoModelForSeq2SeqLM"
    is_span = task.kind == "span"
    return "AutoModelForQuestionAnswering" if is_span else "AutoModelForSequenceClassification"


def sample_input(task: TaskContract) -> tuple[str, ...]:
    """One text, or the two of a pair, to stand in an example."""
    if not task.takes_pairs:
        return ("Your text",)
    if task.kind == "span":
        return ("Your question", "Your context")
    return ("Your text", "Your second text")


def _imports(auto: str, lines: Sequence[str], *, needs_torch: bool) -> list[str]:
    names = [auto, "AutoTokenizer"]
    names += [name for name in ("AutoConfig", "BitsAndBytesConfig") if _uses(lines, name)]
    made = ["import torch"] if needs_torch else []
    made += ["from peft import PeftModel"] if _uses(lines, "PeftModel") else []
    return [*made, f"from transformers import {', '.join(sorted(names))}"]


def _uses(lines: Sequence[str], name: str) -> bool:
    return any(name in line for line in lines)


def _adapter(manifest: Manifest, auto: str) -> list[str]:
    """The base with the adapter; the config that stands beside the adapter has its activation."""
    base, config = manifest.base, manifest.training.config
    name = base.folder or config.model
    dtype = {"fp32": "torch.float32", "bf16": "torch.bfloat16"}[config.dtype]
    options = ['config=AutoConfig.from_pretrained("hf")', f"dtype={dtype}"]
    if not base.folder:
        options.insert(0, f"revision={base.revision!r}")
    before = []
    if not config.quantization.is_none:
        before = [f"packing = BitsAndBytesConfig({', '.join(_packing(manifest, dtype))})"]
        options.append("quantization_config=packing")
    return [
        *before,
        f"base = {auto}.from_pretrained({name!r}, {', '.join(options)})",
        'model = PeftModel.from_pretrained(base, "hf").eval()',
    ]


def _packing(manifest: Manifest, dtype: str) -> list[str]:
    settings = manifest.training.config.quantization.bitsandbytes_settings
    made = [f"{name}={value!r}" for name, value in settings.items()]
    return [*made, f"bnb_4bit_compute_dtype={dtype}"] if "load_in_4bit" in settings else made


def _written(manifest: Manifest) -> list[str]:
    task = manifest.task
    first, *second = sample_input(task)
    inputs = _inputs(manifest, repr(fill(task.prompt, first, "".join(second))))
    if task.kind != "classification":
        return [
            inputs,
            f"written = model.generate(**inputs, max_new_tokens={task.max_new_tokens},"
            " do_sample=False, num_beams=1)",
            "print(tokenizer.decode(written[0], skip_special_tokens=True))",
        ]
    pairs = zip(task.classes, task.class_ids, strict=True)
    if first_tokens_differ(task.class_ids):
        firsts = {name: ids[0] for name, ids in pairs}
        return [
            inputs,
            "start = torch.tensor([[model.config.decoder_start_token_id]])",
            "scores = model(**inputs, decoder_input_ids=start).logits[0, 0]",
            f"classes = {firsts!r}",
            "print(max(classes, key=lambda name: scores[classes[name]].item()))",
        ]
    whole = {name: list(ids) for name, ids in pairs}
    return [
        inputs,
        f"classes = {whole!r}",
        "losses = {name: model(**inputs, labels=torch.tensor([ids])).loss.item() * len(ids)"
        " for name, ids in classes.items()}",
        "print(min(losses, key=losses.get))",
    ]


def _by_head(manifest: Manifest) -> list[str]:
    task = manifest.task
    given = ", ".join(repr(text) for text in sample_input(task))
    if task.kind == "span":
        return [
            _inputs(manifest, given, truncation="'only_second'"),
            "out = model(**inputs)",
            "first, last = out.start_logits.argmax(), out.end_logits.argmax()",
            'print(tokenizer.decode(inputs["input_ids"][0, first : last + 1]))',
        ]
    inputs = _inputs(manifest, given)
    if task.kind == "regression":
        return [inputs, "print(model(**inputs).logits[0, 0].item())"]
    return [
        inputs,
        "print(model.config.id2label[model(**inputs).logits[0].argmax().item()])",
    ]


def _inputs(manifest: Manifest, given: str, truncation: str = "True") -> str:
    longest = manifest.training.config.task.max_input_tokens
    return (
        f"inputs = tokenizer({given}, truncation={truncation}, max_length={longest},"
        ' return_tensors="pt")'
    )
