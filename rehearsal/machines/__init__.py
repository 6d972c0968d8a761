"""Machines of the rehearsal: processes under a root folder of their own, started from their user data."""
