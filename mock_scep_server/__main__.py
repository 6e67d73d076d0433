"""``mock-scep-server``, and ``python -m mock_scep_server``, which is the same."""

import sys

from mfp_sim.shared.beginning import begun


def main() -> int:
    """Run the command of this process; returns the exit code."""
    return begun("mock-scep-server", "mock_scep_server.cli")


if __name__ == "__main__":
    sys.exit(main())
