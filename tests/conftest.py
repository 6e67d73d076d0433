"""What all tests share: how long Hypothesis takes is not what they are about, and freezegun starts no Docker client."""

import freezegun
from hypothesis import HealthCheck, settings

settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")
freezegun.configure(extend_ignore_list=["docker", "testcontainers"])  # as mfp_sim.scenario.runner does for scenarios
