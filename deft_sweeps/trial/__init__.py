"""One trial: a frozen base, a PEFT method trained on it, and what the two are worth."""

import logging

# At its import bitsandbytes tells every user without a GPU that an optional package is missing,
# which none of what runs here needs.
logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)
