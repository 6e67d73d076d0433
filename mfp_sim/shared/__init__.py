"""What the printer and the mock CA share: the SCEP codec, documents, time, randomness and errors.

The mock imports nothing else of the product.
"""
