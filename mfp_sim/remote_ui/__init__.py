"""The printer's Remote UI: plain HTML pages over the public interface of `Printer`. Importing it imports no page."""
