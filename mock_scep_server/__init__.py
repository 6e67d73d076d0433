"""A mock SCEP CA: it grants correct requests, and misbehaves as its script says. Start reading with `service`."""
