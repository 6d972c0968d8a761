"""The rehearsal: a local stand-in for the clouds, to prove recoveries in."""
