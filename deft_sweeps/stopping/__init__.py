"""Early stopping: which trials go on past a rung."""
