"""How a deployment configuration moves traffic: the shares of the new tasks over time."""

from __future__ import annotations

from .json_service import Refused

ALL_AT_ONCE = {"type": "AllAtOnce"}

# https://docs.aws.amazon.com/codedeploy/latest/userguide/deployment-configurations.html
PREDEFINED_ECS = {
    "CodeDeployDefault.ECSAllAtOnce": ALL_AT_ONCE,
    **{f"CodeDeployDefault.ECSCanary10Percent{minutes}Minutes": {
        "type": "TimeBasedCanary", "timeBasedCanary": {"canaryPercentage": 10, "canaryInterval": minutes}}
       for minutes in (5, 15)},
    **{f"CodeDeployDefault.ECSLinear10PercentEvery{minutes}Minutes": {
        "type": "TimeBasedLinear", "timeBasedLinear": {"linearPercentage": 10, "linearInterval": minutes}}
       for minutes in (1, 3)},
}
"""Name → traffic routing of AWS's own configurations for ECS."""

_TIMED = {"TimeBasedCanary": ("timeBasedCanary", "canaryPercentage", "canaryInterval"),
          "TimeBasedLinear": ("timeBasedLinear", "linearPercentage", "linearInterval")}


def steps(routing: dict) -> list[tuple[int, int]]:
    """The (share of the new tasks in percent, minutes until the next step) pairs; the last share is 100."""
    kind = routing.get("type", "AllAtOnce")
    if kind == "AllAtOnce":
        return [(100, 0)]
    field, share, pause = _TIMED[kind]
    percentage, minutes = int(routing[field][share]), int(routing[field][pause])
    if kind == "TimeBasedCanary":
        return [(percentage, minutes), (100, 0)]
    shares = list(range(percentage, 100, percentage))
    return [(reached, minutes) for reached in shares] + [(100, 0)]


def check(routing: dict | None) -> None:
    """Refuses a traffic routing that AWS refuses.

    https://docs.aws.amazon.com/codedeploy/latest/APIReference/API_TrafficRoutingConfig.html
    """
    def refuse(why: str):
        raise Refused("InvalidTrafficRoutingConfigurationException", why)

    if not routing:
        refuse("A traffic routing configuration is required for this compute platform.")
    kind = routing.get("type")
    if kind == "AllAtOnce":
        return
    if kind not in _TIMED:
        refuse(f"The traffic routing type {kind} isn't one of AllAtOnce, TimeBasedCanary, TimeBasedLinear.")
    field, share, pause = _TIMED[kind]
    timed = routing.get(field) or {}
    if not 1 <= int(timed.get(share) or 0) <= 99:
        refuse(f"{share} must be between 1 and 99.")
    if int(timed.get(pause) or 0) < 1:
        refuse(f"{pause} must be at least one minute.")
