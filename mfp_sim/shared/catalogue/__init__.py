"""What the printer's manual and RFC 8894 require, what fails in the field, and what is assumed: data with numbers."""
