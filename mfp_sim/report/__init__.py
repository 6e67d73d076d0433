"""Reports of a run: its values (`model`), and the formats: console, HTML, JSON, JUnit, Markdown, GitHub."""
