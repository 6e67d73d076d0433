"""Real enrolments at a real server, at a rate, by Locust: how much it bears, and whether the load was true."""
