"""The search: what to try next, remembered in an Optuna study that follows the store."""
