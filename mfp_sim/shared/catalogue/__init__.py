"""The requirements of the printer's manual and RFC 8894, failures from the field, and assumptions: data with ids."""
