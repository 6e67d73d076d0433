"""The table of the rules that hold in every run."""

from __future__ import annotations

from collections.abc import Mapping

from mfp_sim.scenario.always.ca_rules import CA_RULES
from mfp_sim.scenario.always.exchange_rules import EXCHANGE_RULES
from mfp_sim.scenario.always.printer_rules import PRINTER_RULES
from mfp_sim.scenario.always.watching import AlwaysRule

__all__ = ["ALWAYS"]

ALWAYS: Mapping[str, AlwaysRule] = {**PRINTER_RULES, **EXCHANGE_RULES, **CA_RULES}
