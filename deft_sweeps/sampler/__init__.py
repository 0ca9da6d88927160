"""What to try next: Optuna's samplers and the project's own."""
