"""A mock SCEP CA: it grants what is in order, and misbehaves as its script says. ``service`` comes first."""
