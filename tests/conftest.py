"""What all tests share: how long Hypothesis takes is not what they are about, freezegun starts no Docker client, and
Ctrl-C is not ignored."""

import signal

import freezegun
from hypothesis import HealthCheck, settings

settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")
freezegun.configure(extend_ignore_list=["docker", "testcontainers"])  # as mfp_sim.scenario.runner does for scenarios

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell ignores it in what it runs in the background
    signal.signal(signal.SIGINT, signal.default_int_handler)
