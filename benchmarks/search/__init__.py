"""Compares searchers on landscapes whose front is known, on a simulated clock.

    python -m benchmarks.search --problem broken --arms random tpe nsga2-12 --seeds 20

problem: the interface of a landscape, and its true front
closed_form, table: the landscapes
mixed_model: predicts the mean of a table's configurations
simulate: workers on a simulated clock
replay: a landscape behind real Ray
arms, ray_tune, synetune: the searchers
informed: a yardstick that knows the model of the truth
oracle: a lower bound on the trials that any searcher needs
measure: trials and steps that a searcher needed
__main__: the command
"""

import os

# Set before numpy is loaded: with small matrices, threads mostly wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")
