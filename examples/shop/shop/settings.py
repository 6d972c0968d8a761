"""What the shop is told by its environment."""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """Where it is, which database is its own, and what it may do beside answering customers."""

    region: str
    instance: str
    version: str
    address: str
    port: int
    secret: str
    """Name of the database secret in the region's own Secrets Manager."""
    jobs: bool
    """Whether background jobs run here."""
    mail: bool
    """Whether mail leaves the house. Needs jobs."""

    @classmethod
    def from_environment(cls) -> Settings:
        """KeyError names what is missing."""
        env = os.environ
        return cls(
            region=env["AWS_REGION"],
            instance=env["INSTANCE_ID"],
            version=env["ARTEFACT_VERSION"],
            address=env.get("LISTEN_ADDRESS", "0.0.0.0"),
            port=int(env.get("LISTEN_PORT", "8080")),
            secret=env["SECRET_APP"],
            jobs=env.get("JOBS") == "on",
            mail=env.get("MAIL") == "on",
        )
