"""A recording reverse proxy between any SCEP device and any SCEP server: `mfp-sim proxy`."""
