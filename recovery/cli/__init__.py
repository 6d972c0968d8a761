"""The `dr` command: one file per verb; each parses, calls one function, prints, returns a code."""
