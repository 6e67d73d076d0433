"""Scenarios: reading files into steps and expectations, and running them on a frozen clock with printers and a CA."""
