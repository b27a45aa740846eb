"""A suite file → a grid of cells → result rows; other people's systems in the same frame."""
