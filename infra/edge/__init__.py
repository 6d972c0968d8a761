"""What leads customers to a site: zones, failover sets, health checks, the latch."""
