"""mfp-sim: a simulated multifunction printer that gets its certificates over SCEP."""

__version__ = "0.1.0"
