"""Where the outside world is bent into our words: a gateway answers with outcomes, nobody else knows HTTP codes."""
