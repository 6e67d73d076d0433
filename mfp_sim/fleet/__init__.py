"""Many printers at once on one CA: a plan, an engine in virtual time, and what an engineer has to know of a run."""
