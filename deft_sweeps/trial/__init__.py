"""One trial: a frozen base, a PEFT method trained on it, and what the two are worth."""
