"""What every PEFT method says of itself, and what those on chosen layers or before the input
share.
"""

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

from typing_extensions import override

from deft_sweeps.config.axes.fields import check
from deft_sweeps.config.axes.member import AxisMember
from deft_sweeps.config.layout import Block, Layout, Linear, Role

if TYPE_CHECKING:
    from deft_sweeps.config.trial import TrialConfig


class PeftMethod(AxisMember):
    """Base of the PEFT methods. `torch_verb` names `attach(model, layout, method, n_steps)`.

    Attributes:
        starts_as_identity: whether the model computes what its base does until the first step.
        merges: whether what is trained can be added into the weights of the model's own layers.
        optimizer_bytes: of the gradient and the optimiser's state, for each trained parameter.
    """

    __slots__ = ()
    starts_as_identity: ClassVar[bool] = True
    merges: ClassVar[bool] = True
    # In float32: the gradient and AdamW's two moments.
    optimizer_bytes: ClassVar[int] = 12

    @abstractmethod
    @override
    def n_trained(self, layout: Layout) -> int: ...

    @property
    def opens_with_peft(self) -> bool:
        """Whether peft alone computes what was trained, from an adapter in its own format."""
        return True

    @property
    def input_tokens(self) -> int:
        """Virtual tokens that stand before the encoder's own."""
        return 0

    def trains_through(self, block: Block, layout: Layout) -> bool:
        """Whether the gradient of what the method trains passes through the block."""
        return True

    def linear_activation_bytes(self, linear: Linear, dtype_bytes: int) -> int:
        """Held at a linear layer for the backward pass, for each token.

        Args:
            linear: any of the model's.
            dtype_bytes: of a number in the base's dtype.
        """
        return 0

    def matrix_bytes(self, linear: Linear) -> int:
        """Held at a linear layer for the backward pass, however many tokens there are."""
        return 0

    def block_activation_bytes(self, layout: Layout, dtype_bytes: int) -> int:
        """Held beside a block's MLP for the backward pass, for each token."""
        return 0

    def transient_bytes(self, n_weights: int) -> int:
        """Live for a moment in the backward pass at a linear layer of so many weights."""
        return 0


class TargetedMethod(PeftMethod):
    """Base of the methods that sit on chosen linear layers.

    Attributes:
        targets: roles of those layers.
    """

    __slots__ = ()
    targets: tuple[Role, ...]

    @abstractmethod
    def target_activation_bytes(self, linear: Linear, dtype_bytes: int) -> int:
        """Held at one of the chosen layers for the backward pass, for each token."""

    @override
    def linear_activation_bytes(self, linear: Linear, dtype_bytes: int) -> int:
        chosen = linear.role in self.targets
        return self.target_activation_bytes(linear, dtype_bytes) if chosen else 0

    def target_layers(self, layout: Layout) -> list[Linear]:
        """The chosen layers of all blocks."""
        return [linear for linear in layout.linears if linear.role in self.targets]

    def absent_targets(self, config: "TrialConfig", layout: Layout) -> list[str]:
        """Roles among the targets that the model has no layer of, as a problem."""
        roles = list(dict.fromkeys(linear.role for linear in layout.linears))
        absent = [role for role in self.targets if role not in roles]
        only = f"{config.model} has only {', '.join(roles)}"
        return [f"{self.kind} targets {', '.join(absent)}, but {only}"] if absent else []

    def rank_problems(self, layout: Layout, setting: str, rank: int) -> list[str]:
        """Targets that are narrower than a rank, as a problem; `setting` names the rank."""
        layers = {linear.role: linear for linear in layout.linears}
        chosen = [layers[role] for role in self.targets if role in layers]
        narrow = [x.role for x in chosen if rank > min(x.in_features, x.out_features)]
        return [f"{setting} {rank} is more than the width of {', '.join(narrow)}"] if narrow else []

    def float32_input_bytes(self, linear: Linear, dtype_bytes: int) -> int:
        """Of a layer's input in float32, which trained factors need for their gradient."""
        if dtype_bytes < 4:
            return 4 * linear.in_features
        # In a float32 base the layers of one attention share an input that the norm has made.
        return 4 * linear.in_features if linear.role in ("q", "gate", "down", "o") else 0


class PromptMethod(PeftMethod):
    """Base of the methods that put virtual tokens before the encoder's input."""

    __slots__ = ()
    virtual_tokens: int
    starts_as_identity: ClassVar[bool] = False
    merges: ClassVar[bool] = False

    @property
    @override
    def input_tokens(self) -> int:
        return self.virtual_tokens


def check_targets(targets: tuple[Role, ...]) -> None:
    """Raise ValueError unless there are targets and each is named once."""
    check(len(targets) > 0, "at least one target", targets)
    check(len(set(targets)) == len(targets), "targets named once each", targets)
