"""Ways of holding the frozen weights: the closed union. A new one is its module here, its torch
verb, and its line below.
"""

from deft_sweeps.config.axes.quantization.fp4 import Fp4 as Fp4
from deft_sweeps.config.axes.quantization.int8 import Int8 as Int8
from deft_sweeps.config.axes.quantization.nf4 import Nf4 as Nf4
from deft_sweeps.config.axes.quantization.unquantized import Unquantized as Unquantized

Quantization = Unquantized | Nf4 | Fp4 | Int8
