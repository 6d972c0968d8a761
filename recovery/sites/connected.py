"""Sites through their providers' APIs."""

from __future__ import annotations

import threading
from functools import cached_property

from infra.outputs import EdgeContract, SiteContract
from recovery.endpoints import Endpoints
from recovery.errors import InputError
from recovery.sites.ports import Finding, Latch, Site


class ConnectedSites:
    """See recovery.sites.ports.Sites. Safe to share between the threads of one step."""

    def __init__(self, cause: str, *, brief: bool = False) -> None:
        self._cause = cause
        self._brief = brief
        self._sites: dict[str, Site] = {}
        self._lock = threading.Lock()

    @cached_property
    def endpoints(self) -> Endpoints:
        """As the environment says."""
        return Endpoints.from_environment()

    def of(self, contract: SiteContract) -> Site:
        """One adapter per stack."""
        with self._lock:
            if contract.stack not in self._sites:
                self._sites[contract.stack] = _site(contract, self._cause, brief=self._brief)
            return self._sites[contract.stack]

    def latch(self, edge: EdgeContract) -> Latch:
        """In the latch's own region."""
        from recovery.sites.aws.clients import LOOK, WORK, Clients
        from recovery.sites.aws.stores import S3Latch

        return S3Latch(Clients(edge.latch.region, self._cause, LOOK if self._brief else WORK), edge)

    def check_status(self, edge: EdgeContract, check: str) -> Finding:
        """Asked of Route 53."""
        from recovery.sites.aws.site import check_status

        return check_status(edge, check, self._cause)


def _site(contract: SiteContract, cause: str, *, brief: bool) -> Site:
    if contract.provider != "aws":
        raise InputError(
            f"site {contract.stack} is at {contract.provider}, which this version cannot speak to",
            cure="name an AWS site as the plan's target",
        )
    from recovery.sites.aws.clients import LOOK, WORK
    from recovery.sites.aws.site import AwsSite

    return AwsSite(contract, cause, LOOK if brief else WORK)
