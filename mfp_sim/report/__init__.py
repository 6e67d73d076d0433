"""A run as values (``model``), and what is made from them: console, HTML, JSON, JUnit, Markdown, GitHub."""
