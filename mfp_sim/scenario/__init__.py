"""Scenarios: files read into steps and expectations, and run on a frozen clock in a world of printers and a CA."""
