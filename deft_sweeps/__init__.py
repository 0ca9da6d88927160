"""deft_sweeps finds which combination of PEFT method, density loss, quantization and pruning to ship.

Importing it loads neither torch nor ray.
"""
