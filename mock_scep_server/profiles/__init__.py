"""The profiles of CAs: files of values with their sources. `registry` reads them."""
