"""Sites: where the service can stand. `connect` gives them; `ports` says what can be asked of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from recovery.sites.ports import Sites


def connect(cause: str, *, brief: bool = False) -> Sites:
    """Every site, by its contract. `cause` (`lifeboat/<run>/<step>`) goes into every call's user agent.

    Where calls go is the usual configuration: AWS_ENDPOINT_URL, AWS_PROFILE and so on for clouds,
    LIFEBOAT_DNS, LIFEBOAT_CA and LIFEBOAT_PORT_OFFSET for the rest (recovery/endpoints.py). With `brief`,
    what does not answer within seconds is given up: a person waits, and no recovery hangs on it.
    """
    from recovery.sites.connected import ConnectedSites

    return ConnectedSites(cause, brief=brief)
