"""``mfp-sim``, and ``python -m mfp_sim``, which is the same."""

import sys

from mfp_sim.shared.beginning import begun


def main() -> int:
    """Run the command of this process; returns the exit code."""
    return begun("mfp-sim", "mfp_sim.cli.main")


if __name__ == "__main__":
    sys.exit(main())
