"""The reports: numbers from campaigns.results, as words, charts, a table and a file."""
