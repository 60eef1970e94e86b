"""The end users' pages: what they hear about, and how they leave. Signed links, no login, no JavaScript."""
