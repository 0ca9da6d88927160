"""Inference: intervals over seeds and examples, paired differences, membership, plateau."""
