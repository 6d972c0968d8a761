"""Load balancer, web servers and runners: what customers meet, and what machines boot."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from infra.aws.balancer import HOLDING_LIMIT, holding
from infra.aws.boot import LIMIT, render
from tests.infra.engine import Stack, run

LISTENER = "lb/listener:Listener"
RULE = "lb/listenerRule:ListenerRule"
TEMPLATE = "ec2/launchTemplate:LaunchTemplate"
GROUP = "autoscaling/group:Group"


def default_action(stack: Stack) -> dict[str, Any]:
    (action,) = stack.one(LISTENER, "https").inputs["defaultActions"]
    return dict(action)


def variables(stack: Stack, template: str) -> dict[str, str]:
    """What a launch template's user data exports."""
    script = base64.b64decode(stack.one(TEMPLATE, template).inputs["userData"]).decode()
    lines = [line.removeprefix("export ") for line in script.splitlines()[1:20] if line.startswith("export ")]
    return {key: value.strip("'") for key, _, value in (line.partition("=") for line in lines)}


def test_a_standby_answers_with_the_holding_page(standby: Stack) -> None:
    action = default_action(standby)
    assert action["fixedResponse"]["statusCode"] == "503"
    assert "back soon" in action["fixedResponse"]["messageBody"]


def test_a_serving_site_forwards(primary: Stack, serving: Stack) -> None:
    assert default_action(primary)["type"] == "forward"
    assert default_action(serving)["type"] == "forward"


def test_the_holding_page_fits_into_a_fixed_response() -> None:
    assert len(holding("a-company-name16")["fixed_response"]["message_body"].encode()) <= HOLDING_LIMIT
    with pytest.raises(ValueError, match="1024"):
        holding("x" * HOLDING_LIMIT)


@pytest.mark.parametrize("site", ["standby", "primary"])
def test_the_health_path_is_answered_by_the_load_balancer_itself(
    site: str, request: pytest.FixtureRequest
) -> None:
    rule = request.getfixturevalue(site).one(RULE, "health").inputs
    assert rule["conditions"] == [{"pathPattern": {"values": ["/lifeboat/health"]}}]
    assert rule["actions"][0]["fixedResponse"]["statusCode"] == "200"
    assert rule["priority"] == 1


def test_the_site_can_be_tested_behind_its_holding_page(standby: Stack) -> None:
    rule = standby.one(RULE, "verify").inputs
    assert rule["conditions"][0]["httpHeader"]["httpHeaderName"] == "x-lifeboat-verify"
    assert rule["actions"][0]["type"] == "forward"


def test_http_is_redirected(primary: Stack) -> None:
    (action,) = primary.one(LISTENER, "http").inputs["defaultActions"]
    assert action["redirect"] == {"protocol": "HTTPS", "port": "443", "statusCode": "HTTP_301"}


def test_targets_are_found_healthy_without_the_database(primary: Stack) -> None:
    assert primary.one("lb/targetGroup:TargetGroup").inputs["healthCheck"]["path"] == "/healthz"


def test_a_pilot_light_has_no_servers_and_needs_none_to_come_up(standby: Stack) -> None:
    group = standby.one(GROUP).inputs
    assert (group["minSize"], group["maxSize"]) == (0, 0)
    assert group["waitForCapacityTimeout"] == "0"


def test_a_full_footprint_has_two_servers_over_three_zones(primary: Stack) -> None:
    group = primary.one(GROUP).inputs
    assert group["minSize"] == 2
    assert group["healthCheckType"] == "ELB"
    assert len(group["vpcZoneIdentifiers"]) == 3


def test_the_wanted_number_of_servers_is_auto_scalings_and_recoverys_to_decide(primary: Stack) -> None:
    assert "desiredCapacity" not in primary.one(GROUP).inputs


def test_a_new_artefact_rolls_out(primary: Stack) -> None:
    group = primary.one(GROUP).inputs
    assert group["launchTemplate"]["version"] == "3"
    assert group["instanceRefresh"]["strategy"] == "Rolling"
    preferences = group["instanceRefresh"]["preferences"]
    assert preferences["minHealthyPercentage"] == 100 < preferences["maxHealthyPercentage"]
    changed = run("prod", {"artefactVersion": "v2"})
    assert changed.one(TEMPLATE, "web").inputs["userData"] != primary.one(TEMPLATE, "web").inputs["userData"]


def test_web_servers_are_told_what_to_start(primary: Stack) -> None:
    given = variables(primary, "web")
    assert given["ARTEFACT_BUCKET"] == "artefacts-1a2b3c4"
    assert given["ARTEFACT_NAME"] == "web"
    assert given["ARTEFACT_VERSION"] == "v1"
    assert given["SECRET_APP"] == "shop/prod/database-app"
    assert given["STORE_UPLOADS"] == "uploads-1a2b3c4"
    assert (given["JOBS"], given["MAIL"]) == ("on", "on")


def test_jobs_and_mail_stay_off_until_a_step_releases_them(serving: Stack) -> None:
    given = variables(serving, "web")
    assert (given["JOBS"], given["MAIL"]) == ("off", "off")


def test_runners_end_when_their_job_ends(standby: Stack) -> None:
    assert variables(standby, "runner")["ONE_SHOT"] == "on"
    assert standby.one(TEMPLATE, "runner").inputs["instanceInitiatedShutdownBehavior"] == "terminate"


@pytest.mark.parametrize("template", ["web", "runner"])
def test_machines_are_pinned_encrypted_and_answer_imdsv2_only(primary: Stack, template: str) -> None:
    inputs = primary.one(TEMPLATE, template).inputs
    assert inputs["imageId"].startswith("ami-")
    assert inputs["metadataOptions"]["httpTokens"] == "required"
    (disk,) = inputs["blockDeviceMappings"]
    assert disk["ebs"]["encrypted"] == "true"
    assert disk["ebs"]["kmsKeyId"].endswith("/data-1a2b3c4")


def test_variables_are_quoted_for_the_shell_and_follow_the_first_line() -> None:
    script = render("#!/bin/bash\nexec true\n", {"A": "it's $(rm)"})
    assert script == "#!/bin/bash\nexport A='it'\"'\"'s $(rm)'\nexec true\n"


def test_user_data_beyond_what_ec2_takes_is_refused() -> None:
    with pytest.raises(ValueError, match=str(LIMIT)):
        render("#!/bin/bash\n" + "#" * LIMIT, {})
