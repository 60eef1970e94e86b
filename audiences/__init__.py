"""Who is there: profiles, devices, events, segments, consent. Imports nothing of ours."""
