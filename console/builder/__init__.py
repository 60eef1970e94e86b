"""Where marketers build: segments and message templates."""
