"""Ways of skipping MLP blocks: the closed union. A new one is its module here, its torch verb, and
its line below.
"""

from deft_sweeps.config.axes.adaptive.ada_deft import AdaDeft as AdaDeft
from deft_sweeps.config.axes.adaptive.no_skipping import NoSkipping as NoSkipping

Adaptive = NoSkipping | AdaDeft
