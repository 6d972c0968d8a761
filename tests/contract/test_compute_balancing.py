"""Load balancers really forward, answer, redirect and speak TLS; a lost region's are silent, not refusing."""

from __future__ import annotations

import gzip
import json
import os
import shlex
import ssl
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import webtier
from botocore.exceptions import ClientError
from databases import no_proxies
from webtier import Cloud, Platform

from rehearsal import launch
from rehearsal.pki import ca_file
from rehearsal.steering import Steering
from tests.fakes.waiting import until

pytestmark = pytest.mark.world
NAME = "app.shop.example"


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    no_proxies()
    name = f"test-balancing-{os.getpid()}"
    settings = launch.up(name, dies_with_us=True)
    try:
        yield Cloud(settings, "eu-west-1")
    finally:
        launch.down(name)


@pytest.fixture(scope="module")
def site(cloud: Cloud) -> Platform:
    site = webtier.build(cloud, "web")
    assert state(site) == "provisioning"
    webtier.scale(site, "web", 2)
    until("the load balancer", lambda: state(site) == "active")
    until("two servers", lambda: site.serving(2))
    until("the port", lambda: status(site, "/") == 200)
    return site


@pytest.fixture(scope="module")
def certificate(cloud: Cloud) -> str:
    """Asked for, validated by DNS, issued."""
    acm, names = cloud.client("acm"), cloud.client("route53")
    arn = str(acm.request_certificate(DomainName=NAME, ValidationMethod="DNS")["CertificateArn"])
    zone = names.create_hosted_zone(Name="shop.example", CallerReference="1")["HostedZone"]["Id"]
    record = until(
        "the validation record",
        lambda: acm.describe_certificate(CertificateArn=arn)["Certificate"]["DomainValidationOptions"][0].get(
            "ResourceRecord"
        ),
    )
    change = {
        "Action": "CREATE",
        "ResourceRecordSet": {
            "Name": record["Name"], "Type": record["Type"], "TTL": 60,
            "ResourceRecords": [{"Value": record["Value"]}],
        },
    }  # fmt: skip
    names.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": [change]})
    until(
        "the certificate",
        lambda: acm.describe_certificate(CertificateArn=arn)["Certificate"]["Status"] == "ISSUED",
    )
    return arn


def elb(site: Platform) -> Any:
    return site.cloud.client("elbv2")


def state(site: Platform) -> str:
    found = elb(site).describe_load_balancers(LoadBalancerArns=[site.balancer])["LoadBalancers"][0]
    return str(found["State"]["Code"])


def status(site: Platform, path: str, **headers: str) -> int:
    try:
        return httpx.get(site.url(path), headers=headers, trust_env=False, timeout=5).status_code
    except httpx.ConnectError:
        return 0


def fixed(code: int, body: str) -> dict[str, Any]:
    return {
        "Type": "fixed-response",
        "FixedResponseConfig": {"StatusCode": str(code), "ContentType": "text/plain", "MessageBody": body},
    }


def default(site: Platform, action: dict[str, Any]) -> None:
    elb(site).modify_listener(ListenerArn=site.listener, DefaultActions=[action])


def forward(site: Platform) -> dict[str, Any]:
    return {"Type": "forward", "TargetGroupArn": site.group}


def test_the_name_and_zone_are_those_of_the_region(site: Platform) -> None:
    found = elb(site).describe_load_balancers(LoadBalancerArns=[site.balancer])["LoadBalancers"][0]
    assert found["DNSName"].startswith("web-")
    assert found["DNSName"].endswith(".eu-west-1.elb.amazonaws.com")
    assert found["CanonicalHostedZoneId"] == "Z32O12XQLNTSW2"


def test_requests_reach_all_healthy_servers_in_turn(site: Platform) -> None:
    answers = {httpx.get(site.url(), trust_env=False).text.split()[0] for _ in range(6)}
    assert answers == set(site.members())


def test_a_holding_page_hides_the_servers_but_not_health_path_and_verify_header(site: Platform) -> None:
    rules = [
        elb(site).create_rule(
            ListenerArn=site.listener, Priority=1, Actions=[fixed(200, "ok")],
            Conditions=[{"Field": "path-pattern", "PathPatternConfig": {"Values": ["/lifeboat/health"]}}],
        ),
        elb(site).create_rule(
            ListenerArn=site.listener, Priority=2, Actions=[forward(site)],
            Conditions=[{
                "Field": "http-header",
                "HttpHeaderConfig": {"HttpHeaderName": "X-Lifeboat-Verify", "Values": ["secret"]},
            }],
        ),
    ]  # fmt: skip
    default(site, fixed(503, "we are moving"))
    until("the holding page", lambda: status(site, "/") == 503)
    assert httpx.get(site.url("/shop"), trust_env=False).text == "we are moving"
    assert status(site, "/lifeboat/health") == 200
    assert status(site, "/", **{"x-lifeboat-verify": "secret"}) == 200
    assert status(site, "/", **{"x-lifeboat-verify": "wrong"}) == 503
    assert site.serving(2), "behind a holding page targets are probed as long as a rule forwards to them"
    default(site, forward(site))
    until("the servers", lambda: status(site, "/") == 200)
    for rule in rules:
        elb(site).delete_rule(RuleArn=rule["Rules"][0]["RuleArn"])


def test_targets_of_a_group_that_nothing_forwards_to_are_unused(site: Platform) -> None:
    default(site, fixed(503, "closed"))
    until("unused", lambda: set(site.targets().values()) == {"unused"})
    default(site, forward(site))
    until("health again", lambda: site.serving(2))


def test_https_serves_the_issued_certificate_and_http_redirects_to_it(
    site: Platform, certificate: str
) -> None:
    elb(site).create_listener(
        LoadBalancerArn=site.balancer, Protocol="HTTPS", Port=443, DefaultActions=[forward(site)],
        Certificates=[{"CertificateArn": certificate}], SslPolicy="ELBSecurityPolicy-TLS13-1-2-2021-06",
    )  # fmt: skip
    default(
        site,
        {
            "Type": "redirect",
            "RedirectConfig": {"Protocol": "HTTPS", "Port": "443", "StatusCode": "HTTP_301"},
        },
    )
    settings = site.cloud.settings
    port = settings.port(443)
    until("the redirect", lambda: status(site, "/") == 301)
    answer = httpx.get(site.url("/a?b=c"), headers={"host": NAME}, trust_env=False)
    assert answer.headers["location"] == f"https://{NAME}:{port}/a?b=c"
    trusting = ssl.create_default_context(cafile=str(ca_file(settings.home)))
    with httpx.Client(verify=trusting, trust_env=False) as http:

        def secure() -> httpx.Response | None:
            try:
                return http.get(
                    f"https://{site.address()}:{port}/",
                    headers={"host": NAME},
                    extensions={"sni_hostname": NAME},
                )
            except httpx.ConnectError:
                return None

        assert until("TLS", secure).status_code == 200
    default(site, forward(site))
    until("the servers", lambda: status(site, "/") == 200)


def test_certificates_must_be_the_regions_own_and_issued(site: Platform, certificate: str) -> None:
    def listen(arn: str) -> None:
        elb(site).create_listener(
            LoadBalancerArn=site.balancer, Protocol="HTTPS", Port=8443, DefaultActions=[forward(site)],
            Certificates=[{"CertificateArn": arn}],
        )  # fmt: skip

    with pytest.raises(ClientError, match="CertificateNotFound"):
        listen(certificate.replace("eu-west-1", "eu-central-1"))
    pending = site.cloud.client("acm").request_certificate(DomainName="other.example", ValidationMethod="DNS")
    with pytest.raises(ClientError, match="UnsupportedCertificate"):
        listen(pending["CertificateArn"])


def test_what_the_load_balancers_cannot_do_is_refused(site: Platform) -> None:
    with pytest.raises(ClientError, match="NotImplemented"):
        default(site, {
            "Type": "authenticate-cognito", "Order": 1,
            "AuthenticateCognitoConfig": {
                "UserPoolArn": "arn:x", "UserPoolClientId": "1", "UserPoolDomain": "d",
            },
        })  # fmt: skip
    with pytest.raises(ClientError, match="NotImplemented"):
        elb(site).create_rule(
            ListenerArn=site.listener, Priority=7, Actions=[fixed(200, "inside")],
            Conditions=[{"Field": "source-ip", "SourceIpConfig": {"Values": ["10.0.0.0/8"]}}],
        )  # fmt: skip
    with pytest.raises(ClientError, match="NotImplemented"):
        elb(site).create_load_balancer(Name="packets", Subnets=site.subnets, Type="network")


def test_what_an_application_load_balancer_does_not_take_is_refused(site: Platform) -> None:
    with pytest.raises(ClientError, match="1024"):
        default(site, fixed(503, "x" * 1025))
    with pytest.raises(ClientError, match="two different Availability Zones"):
        elb(site).create_load_balancer(Name="narrow", Subnets=site.subnets[:1])
    with pytest.raises(ClientError, match="cannot be longer"):
        elb(site).create_load_balancer(Name="x" * 33, Subnets=site.subnets)


def test_access_logs_reach_a_bucket_that_lets_them_in_and_no_other(site: Platform) -> None:
    s3, bucket = site.cloud.client("s3"), "access-logs-of-the-shop"
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    attributes = {"enabled": "true", "bucket": bucket, "prefix": "web"}

    def switch_on() -> None:
        elb(site).modify_load_balancer_attributes(
            LoadBalancerArn=site.balancer,
            Attributes=[
                {"Key": f"access_logs.s3.{key}", "Value": value} for key, value in attributes.items()
            ],
        )

    with pytest.raises(ClientError, match="Access Denied for bucket"):
        switch_on()
    statement = {
        "Effect": "Allow", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{bucket}/*",
        "Principal": {"Service": "logdelivery.elasticloadbalancing.amazonaws.com"},
    }  # fmt: skip
    s3.put_bucket_policy(
        Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    )
    switch_on()

    def logged() -> list[str] | None:
        status(site, "/seen?by=log")
        rows = s3.list_objects_v2(Bucket=bucket, Prefix="web/AWSLogs/123456789012/elasticloadbalancing/")
        keys = [row["Key"] for row in rows.get("Contents", [])]
        lines = [
            gzip.decompress(s3.get_object(Bucket=bucket, Key=key)["Body"].read()).decode() for key in keys
        ]
        return [line for text in lines for line in text.splitlines() if "/seen?by=log" in line] or None

    fields = shlex.split(until("a log", logged)[0])
    assert (fields[0], fields[8], fields[9]) == ("http", "200", "200")
    assert fields[12].startswith("GET http://")
    assert fields[16] == site.group


def test_deletion_protection_protects(site: Platform) -> None:
    def protect(value: str) -> None:
        elb(site).modify_load_balancer_attributes(
            LoadBalancerArn=site.balancer,
            Attributes=[{"Key": "deletion_protection.enabled", "Value": value}],
        )

    protect("true")
    with pytest.raises(ClientError, match="OperationNotPermitted"):
        elb(site).delete_load_balancer(LoadBalancerArn=site.balancer)
    protect("false")


def test_a_lost_regions_load_balancer_is_silent_until_the_region_returns(site: Platform) -> None:
    steering = Steering(site.cloud.settings)
    steering.lose("eu-west-1")
    until("silence", lambda: _silent(site) or None)
    steering.give_back("eu-west-1")
    until("the servers", lambda: _patient(site) == 200)


def _silent(site: Platform) -> bool:
    try:
        httpx.get(site.url(), trust_env=False, timeout=1)
    except httpx.TimeoutException:
        return True
    except httpx.HTTPError:
        return False  # answered while it went away
    return False


def _patient(site: Platform) -> int:
    try:
        return status(site, "/")
    except httpx.HTTPError:
        return 0
