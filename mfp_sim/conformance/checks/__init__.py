"""The checks, a module a chapter, in the order of RFC 8894."""
