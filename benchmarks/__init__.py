"""Comparisons measured in one run on one machine: ``python -m benchmarks``. No absolute times are promised."""
