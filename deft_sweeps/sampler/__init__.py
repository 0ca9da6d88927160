"""Which configuration to try next: Optuna's samplers, and the project's own in `front`."""
