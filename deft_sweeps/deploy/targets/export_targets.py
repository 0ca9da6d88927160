"""Every export target, by its name."""

from deft_sweeps.deploy.target import Target
from deft_sweeps.deploy.targets.ct2_target import CT2, CT2_INT8
from deft_sweeps.deploy.targets.hf_target import HF
from deft_sweeps.deploy.targets.onnx_target import ONNX, ONNX_INT8

TARGETS: dict[str, Target] = {one.name: one for one in (HF, ONNX, ONNX_INT8, CT2, CT2_INT8)}
