"""`python -m deft_sweeps` is `deft-sweeps`."""

from deft_sweeps.cli import main

main()
