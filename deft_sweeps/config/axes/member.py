"""What every member of every axis says of itself, whichever axis it stands on."""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

from deft_sweeps.config.layout import Layout

if TYPE_CHECKING:
    from deft_sweeps.config.trial import TrialConfig


class AxisMember(ABC):
    """Base of the members of all axes: frozen dataclasses whose fields are the member's settings.

    The rest of the program asks a member instead of matching on its class, so a new member needs
    no edit elsewhere. A part without a default has to be given: a class that lacks one cannot be
    made.

    Attributes:
        kind: name in a sweep's YAML.
        torch_verb: `module:name` of what does the member's work on a model, below
            `deft_sweeps.axes`; empty for the one member of an axis that changes nothing.
    """

    __slots__ = ()
    kind: str
    torch_verb: ClassVar[str]

    @property
    @abstractmethod
    def label(self) -> str:
        """The member in the label of a configuration; may be empty."""

    @abstractmethod
    def conflicts(self, config: "TrialConfig") -> list[str]:
        """Why `config`, of which this is a part, cannot run on any model."""

    @abstractmethod
    def shape_problems(self, config: "TrialConfig", layout: Layout) -> list[str]:
        """Why `config`, of which this is a part, cannot run on a model of this shape."""

    @property
    def is_none(self) -> bool:
        """Whether the member changes nothing."""
        return not self.torch_verb

    def n_trained(self, layout: Layout) -> int:
        """Parameters that the member adds and trains, each in float32.

        They are what the file of trained weights holds.
        """
        return 0

    def n_frozen(self, layout: Layout) -> int:
        """Parameters that the member adds and does not train, each in float32.

        They are drawn again from the seed, not saved.
        """
        return 0

    @property
    def calibration_examples(self) -> int:
        """Training examples that the member looks at before training; 0 if it needs none."""
        return 0

    @property
    def needs_calibration(self) -> bool:
        """Whether the member's result depends on training examples."""
        return self.calibration_examples > 0
