"""What the parts of a mock CA share: its shape, its operator's policy, its CAs, its script and its books.

Decides nothing.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from mfp_sim.simtime import Clock
from mock_scep_server.authorities import Authorities
from mock_scep_server.challenges import ChallengePolicy
from mock_scep_server.judgement import Judge
from mock_scep_server.ledger import Ledger
from mock_scep_server.policy import CaPolicy
from mock_scep_server.profiles.registry import CaProfile
from mock_scep_server.revocation import Revocations
from mock_scep_server.script import Script

__all__ = ["Office"]


@dataclass(frozen=True)
class Office:
    """One CA at work. Whoever decides or acts on what the CA remembers holds ``lock``: that is one step."""

    profile: CaProfile
    policy: CaPolicy
    clock: Clock
    authorities: Authorities
    challenge: ChallengePolicy
    script: Script
    judge: Judge
    revocations: Revocations
    ledger: Ledger = field(default_factory=Ledger)
    lock: threading.Lock = field(default_factory=threading.Lock)
