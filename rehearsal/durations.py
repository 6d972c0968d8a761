"""How long the clouds take, in seconds: medians of what others published (what they saw, beside each).

The world divides these by its scale; what is really local is never scaled.
"""

from __future__ import annotations

from dataclasses import dataclass

CLOUD_SECONDS: dict[str, float] = {
    "rds.create": 290.0,  # RDS create, small: 196-1026, p50 291 (n=22)
    "rds.restore": 560.0,  # RDS PITR, small: 8 m 56 s to the event (t3.micro, 20 GB)
    "rds.backing-up": 180.0,  # first backup after a restore, small: 08:06:06 -> 08:10:24
    "rds.multi-az": 500.0,  # modify to Multi-AZ: 6, 7, 14.3 min
    "rds.multi-az-create": 320.0,  # create Multi-AZ: p50 830 in all, created Single-AZ, then converted
    "rds.modify": 60.0,
    "rds.reboot": 60.0,  # API -> complete 50-67
    "rds.failover": 20.0,  # writes back, seen by a client: 17-39 (n=16), 18-20 on m6g.large
    "rds.stop": 120.0,  # no measurement found
    "rds.snapshot-copy": 900.0,  # to another region, small, re-encrypted: about 15 min
    "rds.delete": 115.0,  # 111, 112, 116, 285, 634
    "rds.log-upload": 300.0,  # logs go to S3 every 5 min (RDS User Guide, USER_PIT)
    "rds.replication": 570.0,  # with half an upload interval: p50 12 min; AWS: RPO 5-30 min
    "ec2.launch": 15.0,  # create -> running: 10-25 (n=9)
    "asg.reconcile": 45.0,  # terminate -> detected 45 s (n=1)
    "alb.create": 145.0,  # 122-187 (n=10)
    "nat.create": 115.0,  # 84-121 (n=9)
    "acm.issue": 90.0,  # 61, ~102
    "route53.insync": 40.0,  # 35, 55
    "s3.replicate": 15.0,  # most in seconds, 99.99 % within 15 min
    "secrets.replicate": 10.0,
    "kms.create": 10.0,
    "iam.visible": 5.0,
}

BESIDE = frozenset({"rds.backing-up"})
"""Waits that go on beside what caused them: SQL answers meanwhile, so that no
step's time is made of them."""


@dataclass(frozen=True)
class DataTerm:
    """What grows with the database: `share` of it has to be read or replayed, at that rate."""

    share: float
    megabytes_per_s: float


DATA_TERMS: dict[str, DataTerm] = {
    # log since the last daily backup: half a day at a tenth of the database a day [judgement];
    # one process replayed 1 GB at 176 MB/s, start and promotion included, on a local disk
    "restore-database": DataTerm(share=0.05, megabytes_per_s=100.0),
    # first reads come from S3 (lazy loading): "first read 22 s, second < 1 s" for one table; checks touch 1 %
    "verify-service": DataTerm(share=0.01, megabytes_per_s=20.0),
}
"""Action -> its data term."""
