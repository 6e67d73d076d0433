"""The shapes of CAs, as files of values with their sources; ``registry`` reads them."""
