"""What trials will need, projected from the model's shape: bytes by phase, seconds, and what fits.
Loads no ray.
"""
