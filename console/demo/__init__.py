"""The demo: a shop whose people are simulated, and marked as such on every page.

Made by code from one seed. Simulated devices get their pushes from a local push service (gateway.py) and answer
through the same public endpoints as real ones; the shop's own page works with a real browser.
"""
