"""`python -m tests.torture.fuzz_by_coverage TARGET CORPUS [options of libFuzzer]`: a target under atheris, until its time is over."""

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["kasparro"]):
    from tests.torture import fuzzing


def main() -> None:
    """Put the target's real bodies into the corpus, and begin."""
    name, folder = sys.argv[1:3]
    fuzzing.write_corpus(name, Path(folder))
    atheris.Setup([sys.argv[0], *sys.argv[2:]], fuzzing.targets()[name].read)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
