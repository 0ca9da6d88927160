"""PEFT methods: the closed union. A new one is its module here, its torch verb, and its line
below.
"""

from deft_sweeps.config.axes.peft.adalora import AdaLora as AdaLora
from deft_sweeps.config.axes.peft.adapter import Adapter as Adapter
from deft_sweeps.config.axes.peft.ia3 import Ia3 as Ia3
from deft_sweeps.config.axes.peft.loha import LoHa as LoHa
from deft_sweeps.config.axes.peft.lora import Lora as Lora
from deft_sweeps.config.axes.peft.oft import Oft as Oft
from deft_sweeps.config.axes.peft.p_tuning import PTuning as PTuning
from deft_sweeps.config.axes.peft.prefix_tuning import PrefixTuning as PrefixTuning
from deft_sweeps.config.axes.peft.prompt_tuning import PromptTuning as PromptTuning
from deft_sweeps.config.axes.peft.vera import Vera as Vera

Peft = Lora | Adapter | AdaLora | Ia3 | Vera | Oft | PrefixTuning | PromptTuning | PTuning | LoHa
