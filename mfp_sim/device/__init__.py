"""The printer: a machine with power, time and storage, and the parts that run on it; ``printer`` connects them."""
