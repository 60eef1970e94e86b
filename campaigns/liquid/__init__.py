"""The Liquid that marketers write: a small, bounded dialect on python-liquid. Imports no Django."""
