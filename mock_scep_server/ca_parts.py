"""What the parts of a mock CA share: its profile, its operator's policy, its CAs, its script and its records.

Decides nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from mfp_sim.shared.simtime import Clock
from mock_scep_server.authorities import Authorities
from mock_scep_server.challenges import ChallengePolicy
from mock_scep_server.judgement import ClientJudge
from mock_scep_server.ledger import Ledger
from mock_scep_server.policy import CaPolicy
from mock_scep_server.profiles.registry import CaProfile
from mock_scep_server.revocation import Revocations
from mock_scep_server.script import Script
from mock_scep_server.store import StepLock, Store

__all__ = ["CaParts"]


@dataclass(frozen=True)
class CaParts:
    """One running CA. Code that reads or changes what the CA remembers holds `lock` for the whole step; `store` stores
    it."""

    profile: CaProfile
    policy: CaPolicy
    clock: Clock
    authorities: Authorities
    challenge: ChallengePolicy
    script: Script
    judge: ClientJudge
    revocations: Revocations
    ledger: Ledger
    store: Store
    lock: StepLock
