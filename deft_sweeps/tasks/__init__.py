"""Labelled examples: read, split, tokenised once, and put into batches."""
