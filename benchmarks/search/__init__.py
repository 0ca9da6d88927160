"""Searchers side by side on landscapes whose front is known, on a simulated clock.

    python -m benchmarks.search --problem broken --arms random tpe nsga2-12 --seeds 20

problem: a landscape and its true front · closed_form, table: the landscapes · mixed_model: what a
    table's configurations give on average · simulate: workers on a simulated clock · replay: the
    same landscape behind real Ray · arms, ray_tune, synetune: the searchers · measure: what they
    needed · oracle: the fewest trials that any could need · informed: a yardstick that knows the
    truth's model · __main__:
the command
"""

import os

# Before numpy is loaded: threads that wait for each other would be most of what small matrices
# cost.
os.environ.setdefault("OMP_NUM_THREADS", "1")
