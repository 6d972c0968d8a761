"""How ready we are on an ordinary day: what stands, what would be lost now, when it was last seen to work."""
