"""Small inputs modelled on public bug reports: a folder a case, with the data, a spec and what was
wrong with it once.
"""

from pathlib import Path

CASES = Path(__file__).parent
