"""What we say, and when: templates, campaigns, results. Imports delivery and audiences."""
