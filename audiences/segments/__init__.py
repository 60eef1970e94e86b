"""Segments: a rule is a tree of conditions (language), compiled to SQL (sql) and to a function of facts (facts)."""
