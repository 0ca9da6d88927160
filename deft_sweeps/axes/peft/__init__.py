"""PEFT methods on a frozen model, one module a method."""
