"""Scenarios: reads files into steps and expectations, and runs them on a frozen clock with printers and a CA."""
