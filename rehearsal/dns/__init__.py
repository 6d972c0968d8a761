"""The world's DNS: four authoritative name servers of Route 53, and two caching resolvers.

Route 53's data plane does not live in a region: it goes on answering while its control plane
(us-east-1) is lost, from the last changes that reached it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from rehearsal.feed import Section

if TYPE_CHECKING:
    import dns.message

    from rehearsal.dns.book import Book
    from rehearsal.dns.servers import Handler
    from rehearsal.world import WorldSettings


async def serve(settings: WorldSettings) -> None:
    """Run all six servers for ever. OSError when one of their addresses is taken."""
    from rehearsal.dns.resolver import Resolver, Upstream
    from rehearsal.dns.servers import listen

    keeper, port = BookKeeper(settings), settings.port(53)
    upstream = Upstream(settings.name_server_addresses(), port)
    async with asyncio.TaskGroup() as group:
        for address in settings.name_server_addresses():
            group.create_task(listen(address, port, keeper.server(address)))
        for n, address in enumerate(settings.resolver_addresses()):
            resolver = Resolver(upstream, settings.scale, seed=settings.seed + n)
            group.create_task(listen(address, port, resolver.answer))


class BookKeeper:
    """Keeps a `Book` in step with the feed.

    Section `name-servers` (`{"down": [address]}`) silences servers, for tests of what customers then see.
    """

    def __init__(self, settings: WorldSettings) -> None:
        feed = settings.home / "feed"
        self._settings = settings
        self._sections = [Section(feed, name) for name in ("zones", "check-status", "balancers")]
        self._down = Section(feed, "name-servers")
        self._book: Book | None = None

    def book(self) -> Book:
        """The book as of now."""
        from rehearsal.dns.book import build

        changed = [section.changed() for section in self._sections]
        if self._book is None or any(changed):
            self._book = build(
                *(section.value for section in self._sections),
                servers=self._settings.name_server_addresses(),
                s3_address=front_address(self._settings),
            )
        return self._book

    def server(self, address: str) -> Handler:
        """How the name server at `address` answers."""

        async def handle(query: dns.message.Message) -> dns.message.Message | None:
            self._down.changed()
            if address in (self._down.value or {}).get("down", ()):
                return None
            return self.book().answer(query)

        return handle


def front_address(settings: WorldSettings) -> str:
    """Where AWS's own HTTPS names (`*.s3.<region>.amazonaws.com`) are served: see rehearsal/front.py."""
    return f"{settings.prefix}.0.2"
