"""Small wrong changes to the printer, one at a time, and what of the scenarios and tests notices them."""
