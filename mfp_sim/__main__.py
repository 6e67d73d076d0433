"""``python -m mfp_sim`` is ``mfp-sim``."""

import sys

from mfp_sim.cli.main import main

sys.exit(main())
