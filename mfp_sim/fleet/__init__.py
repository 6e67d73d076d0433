"""Many printers at once on one CA: a plan, an engine in virtual time, and reports of a run."""
