"""The printer's Remote UI: pages of plain HTML over the public interface of ``Printer``. Imports nothing by itself."""
