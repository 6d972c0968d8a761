"""AWS's control plane in the rehearsal: moto behind a fault plane, with what moto gets wrong put right."""

ACCOUNT = "123456789012"
"""The one account of a world."""
