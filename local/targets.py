"""Target groups as on AWS: real health checks, traffic to healthy targets only, and weights between groups.

ministack reports every target as healthy, sends traffic to any, and knows one target group per action.
"""

from __future__ import annotations

import http.client
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from .patches import replace_everywhere

LONGEST_INTERVAL = 2.0
"""Seconds between two checks of a target; a group's shorter interval is kept, a longer one shortened."""

LONGEST_TIMEOUT = 5.0

LARGEST_FAILURES = 3
"""Failures in a row after which a target is unhealthy; a group's smaller threshold is kept."""


@dataclass
class Health:
    """What the checks of one target have shown so far."""

    state: str = "initial"
    reason: str = "Elb.RegistrationInProgress"
    description: str = "Target registration is in progress"
    failures: int = 0
    due: float = 0.0
    checking: bool = field(default=False, repr=False)


_health: dict[tuple[str, str, int], Health] = {}
_lock = threading.Lock()


def matches(matcher: str, status: int) -> bool:
    """Whether a status code is in a matcher such as ``200``, ``200,302`` or ``200-299``."""
    for part in matcher.split(","):
        low, _, high = part.strip().partition("-")
        if low.isdigit() and int(low) <= status <= int(high or low):
            return True
    return False


def judge(health: Health, failure: tuple[str, str] | None, threshold: int) -> None:
    """Records one check: a success makes a target healthy, enough failures in a row make it unhealthy."""
    if failure is None:
        health.state, health.reason, health.description, health.failures = "healthy", "", "", 0
        return
    health.failures += 1
    reason, description = failure
    if health.state == "initial" and health.failures < threshold:
        health.reason, health.description = "Elb.InitialHealthChecking", "Initial health checks in progress"
    elif health.failures >= threshold:
        health.state, health.reason, health.description = "unhealthy", reason, description


def probe(address: str, port: int, group: dict) -> tuple[str, str] | None:
    """Checks one target once; None when it passes, else the reason and description that AWS gives."""
    if group.get("HealthCheckPort", "traffic-port") not in ("traffic-port", ""):
        port = int(group["HealthCheckPort"])
    timeout = min(float(group.get("HealthCheckTimeoutSeconds", 5)), LONGEST_TIMEOUT)
    connection = http.client.HTTPConnection(address, port, timeout=timeout)
    try:
        if group.get("HealthCheckProtocol") in ("TCP", "TLS"):
            connection.connect()
            return None
        connection.request("GET", group.get("HealthCheckPath") or "/", headers={
            "Host": f"{address}:{port}", "User-Agent": "ELB-HealthChecker/2.0", "Connection": "close"})
        status = connection.getresponse().status
        if matches((group.get("Matcher") or {}).get("HttpCode", "200"), status):
            return None
        return "Target.ResponseCodeMismatch", f"Health checks failed with these codes: [{status}]"
    except TimeoutError:
        return "Target.Timeout", "Request timed out"
    except (OSError, http.client.HTTPException):
        return "Target.FailedHealthChecks", "Health checks failed"
    finally:
        connection.close()


def _registered() -> list[tuple[str, str, int, dict]]:
    from ministack.services import alb

    found = []
    for (account, _region, arn), group in list(alb._tgs._data.items()):
        if group.get("TargetType", "instance") == "lambda":
            continue
        for target in list(alb._targets._data.get((account, arn), [])):
            found.append((arn, str(target["Id"]), int(target.get("Port") or group.get("Port") or 80), group))
    return found


def _loop(pool: ThreadPoolExecutor) -> None:
    while True:
        now = time.monotonic()
        registered = _registered()
        with _lock:
            known = {(arn, identity, port) for arn, identity, port, _ in registered}
            for gone in _health.keys() - known:
                del _health[gone]
        for arn, identity, port, group in registered:
            with _lock:
                health = _health.setdefault((arn, identity, port), Health())
                if health.checking or health.due > now:
                    continue
                health.checking = True
            pool.submit(_check, health, identity, port, group)
        time.sleep(0.1)


def _check(health: Health, identity: str, port: int, group: dict) -> None:
    failure = probe(identity, port, group) if group.get("HealthCheckEnabled", True) else None
    threshold = min(int(group.get("UnhealthyThresholdCount", 2)), LARGEST_FAILURES)
    interval = min(float(group.get("HealthCheckIntervalSeconds", 30)), LONGEST_INTERVAL)
    with _lock:
        judge(health, failure, threshold)
        # A starting target is asked more often, so that a deployment doesn't wait for the clock.
        health.due = time.monotonic() + (0.25 if health.state == "initial" else interval)
        health.checking = False


def state_of(arn: str, target: dict, port: int) -> Health:
    """The health of a target, ``initial`` before its first check."""
    with _lock:
        return _health.get((arn, str(target["Id"]), int(target.get("Port") or port)), Health())


def groups_of(action: dict) -> list[tuple[str, int]]:
    """The (target group, weight) pairs of a forward action."""
    listed = (action.get("ForwardConfig") or {}).get("TargetGroups") or []
    if listed:
        return [(g["TargetGroupArn"], int(g.get("Weight", 1))) for g in listed]
    return [(action["TargetGroupArn"], 1)] if action.get("TargetGroupArn") else []


def choose(groups: list[tuple[str, int]], draw: float) -> str:
    """The group that a draw from [0, 1) falls on, in proportion to the weights; the first if all are zero."""
    total = sum(weight for _, weight in groups)
    point = draw * total
    for arn, weight in groups:
        if point < weight:
            return arn
        point -= weight
    return groups[0][0]


def users() -> dict[str, set[str]]:
    """The target groups that a listener or rule forwards to, each with the ARNs of those load balancers."""
    from ministack.services import alb

    used: dict[str, set[str]] = {}
    listeners = dict(alb._listeners._data)
    balancer_of = {listener["ListenerArn"]: listener["LoadBalancerArn"] for listener in listeners.values()}
    for records, key in ((list(listeners.values()), "DefaultActions"), (list(alb._rules._data.values()), "Actions")):
        for record in records:
            for action in record.get(key) or []:
                for arn, _ in groups_of(action):
                    used.setdefault(arn, set()).add(balancer_of.get(record["ListenerArn"], ""))
    return used


def apply() -> None:
    """Puts health, weights and their API fields into ministack's load balancers, and starts the checks."""
    from ministack.services import alb

    from ministack.services.cloudformation import provisioners

    forward, execute, parse = alb._forward_to_tg, alb._execute_actions, alb._parse_actions
    template_actions, action_xml = provisioners._elbv2_listener_actions, alb._action_xml

    async def forward_to_healthy(tg_arn, method, path, headers, body, query_params, raw_query_string=None,
                                 raw_path=None):
        group = alb._tgs.get(tg_arn)
        registered = alb._targets.get(tg_arn, [])
        if not group or not registered or group.get("TargetType", "instance") == "lambda":
            return await forward(tg_arn, method, path, headers, body, query_params, raw_query_string, raw_path)
        port = group.get("Port") or 80
        healthy = [t for t in registered if state_of(tg_arn, t, port).state == "healthy"]
        # With no healthy target at all, every target gets traffic (AWS calls it failing open).
        target = random.choice(healthy or registered)
        return await alb._proxy_http_target(target, group, method, raw_path or path, headers, body, query_params,
                                            raw_query_string)

    async def execute_weighted(actions, *args, **kwargs):
        chosen = []
        for action in actions:
            groups = groups_of(action) if (action.get("Type") or "").lower() == "forward" else []
            chosen.append({**action, "TargetGroupArn": choose(groups, random.random())} if groups else action)
        return await execute(chosen, *args, **kwargs)

    def parse_with_weights(params, prefix="DefaultActions"):
        actions = parse(params, prefix)
        for i, action in enumerate(actions, start=1):
            base, listed = f"{prefix}.member.{i}.ForwardConfig.TargetGroups.member", []
            while arn := alb._p(params, f"{base}.{len(listed) + 1}.TargetGroupArn"):
                weight = alb._p(params, f"{base}.{len(listed) + 1}.Weight")
                listed.append({"TargetGroupArn": arn, "Weight": int(weight or 1)})
            _keep(action, listed)
        return actions

    def template_with_weights(props, lb_arn, prop="DefaultActions"):
        actions = template_actions(props, lb_arn, prop)
        declared = [a for a in props.get(prop) or [] if isinstance(a, dict)]
        for action, source in zip(actions, declared):
            listed = (source.get("ForwardConfig") or {}).get("TargetGroups") or []
            _keep(action, [{"TargetGroupArn": g["TargetGroupArn"], "Weight": int(g.get("Weight", 1))}
                           for g in listed])
        return actions

    def xml_with_weights(action):
        groups = groups_of(action) if action["Type"] == "forward" else []
        shown = action
        if len(groups) > 1:
            shown = {k: v for k, v in action.items() if k != "TargetGroupArn"}
        rendered = action_xml(shown)
        if not groups:
            return rendered
        members = "".join(f"<member><TargetGroupArn>{arn}</TargetGroupArn><Weight>{weight}</Weight></member>"
                          for arn, weight in groups)
        config = (f"<ForwardConfig><TargetGroups>{members}</TargetGroups><TargetGroupStickinessConfig>"
                  "<Enabled>false</Enabled></TargetGroupStickinessConfig></ForwardConfig>")
        return rendered.removesuffix("</member>") + config + "</member>"

    replace_everywhere(forward, forward_to_healthy)
    replace_everywhere(execute, execute_weighted)
    replace_everywhere(parse, parse_with_weights)
    replace_everywhere(template_actions, template_with_weights)
    replace_everywhere(action_xml, xml_with_weights)
    alb._ACTION_MAP["DescribeTargetHealth"] = _describe_health
    pool = ThreadPoolExecutor(max_workers=16, thread_name_prefix="health")
    threading.Thread(target=_loop, args=(pool,), daemon=True, name="target-health").start()


def _keep(action: dict, listed: list[dict]) -> None:
    if not listed:
        return
    action["ForwardConfig"] = {"TargetGroups": listed}
    action["TargetGroupArn"] = listed[0]["TargetGroupArn"]


def _describe_health(params):
    from ministack.services import alb

    arn = alb._p(params, "TargetGroupArn")
    group = alb._tgs.get(arn)
    if not group:
        return alb._error("TargetGroupNotFound", f"Target group '{arn}' not found.")
    default = group.get("Port") or 80
    wanted = {t["Id"] for t in alb._parse_targets_param(params)}
    unused = arn not in users()
    members = []
    for target in alb._targets.get(arn, []):
        if wanted and target["Id"] not in wanted:
            continue
        health = state_of(arn, target, default)
        state, reason, description = health.state, health.reason, health.description
        if unused:
            state, reason = "unused", "Target.NotInUse"
            description = "Target group is not configured to receive traffic from the load balancer"
        port = target.get("Port") or default
        detail = f"<Reason>{reason}</Reason><Description>{description}</Description>" if reason else ""
        members.append(f"<member><Target><Id>{target['Id']}</Id><Port>{port}</Port></Target>"
                       f"<HealthCheckPort>{port}</HealthCheckPort>"
                       f"<TargetHealth><State>{state}</State>{detail}</TargetHealth></member>")
    return alb._xml(200, "DescribeTargetHealth",
                    f"<TargetHealthDescriptions>{''.join(members)}</TargetHealthDescriptions>")
