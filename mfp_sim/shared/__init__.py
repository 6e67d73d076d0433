"""What printer and mock CA share: the SCEP codec, documents, time and chance, errors. The mock imports nothing else."""
