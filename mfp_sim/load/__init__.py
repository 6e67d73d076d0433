"""Real enrolments at a real server at a given rate, by Locust: its throughput, and whether the run is valid."""
