"""The simulated printer: a base with power, time and storage, and its parts. `printer` connects them."""
