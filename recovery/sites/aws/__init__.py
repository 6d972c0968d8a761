"""The AWS adapter of recovery.sites.ports: boto3, one region per site."""
