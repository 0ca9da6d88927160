"""What a sweep's search knows and records: the Optuna study, its parameters, limits and storage."""
