"""Scheduled actions at work: each changes the bounds of its target, and brings the service's desired count within them.

https://docs.aws.amazon.com/autoscaling/application/userguide/scheduled-scaling-policy-overview.html
"""

from __future__ import annotations

import sys
import threading
import time
import uuid

from botocore.exceptions import ClientError, HTTPClientError

from . import scaling

TICK_SECONDS = 1
"""AWS promises seconds, and says that it may take two minutes."""

KEPT_ACTIVITIES = 100


def carry_out(service: scaling.Scaling, now: float) -> None:
    """Does what is due, in the order of its times.

    What came due more than once, while the local AWS was stopped, is done once, at the last of its times.
    """
    for account, region, scope in service.everything():
        if not any(a["due"] is not None and a["due"] <= now for a in list(scope["actions"].values())):
            continue
        with service.edit(account, region) as records:
            waiting = []
            for action in records["actions"].values():
                if action["due"] is None or action["due"] > now:
                    continue
                last = action["due"]
                while (following := scaling.next_due(action, last)) is not None and following <= now:
                    last = following
                waiting.append((last, following, action))
            for _, following, action in sorted(waiting, key=lambda w: w[0]):
                _do(account, region, records, action, now)
                action["due"] = following


def _do(account: str, region: str, records: dict, action: dict, now: float) -> None:
    target = records["targets"][scaling.key(action)]
    if target["SuspendedState"]["ScheduledScalingSuspended"]:
        return
    bounds = {n: action["ScalableTargetAction"].get(n, target[n]) for n in ("MinCapacity", "MaxCapacity")}
    done = []
    try:
        if bounds["MinCapacity"] > bounds["MaxCapacity"]:
            raise ValueError(f"the minimum capacity {bounds['MinCapacity']} would be greater than the maximum {bounds['MaxCapacity']}")
        changed = scaling.bring_within(account, region, target | bounds)
        if changed is not None:
            before, after = changed
            bound = "minimum" if after > before else "maximum"
            done.append((f"Setting desired count to {after}.", f"{bound} capacity was set to {after}"))
        target |= bounds
        status, message = "Successful", None
    except (ClientError, ValueError) as failed:
        status, message = "Failed", str(failed)
    done.append((f"Setting min capacity to {bounds['MinCapacity']} and max capacity to {bounds['MaxCapacity']}",
                 f"scheduled action name {action['ScheduledActionName']} was triggered"))
    for description, cause in reversed(done):
        identity = str(uuid.uuid4())
        records["activities"][identity] = {
            "ActivityId": identity, "ServiceNamespace": action["ServiceNamespace"], "ResourceId": action["ResourceId"],
            "ScalableDimension": action["ScalableDimension"], "Description": description, "Cause": cause,
            "StartTime": now, "EndTime": now, "StatusCode": status, "StatusMessage": message}
    for old in list(records["activities"])[:-KEPT_ACTIVITIES]:
        del records["activities"][old]


def start() -> None:
    """Carries out scheduled actions in the background from now on; called once the local AWS is about to serve."""
    def run():
        while True:
            time.sleep(TICK_SECONDS)
            try:
                carry_out(scaling.service(), time.time())
            except HTTPClientError:
                pass  # the local AWS doesn't serve yet, or no longer: the next tick tries again
            except Exception as failed:
                print(f"scheduled actions: {failed!r}", file=sys.stderr, flush=True)

    threading.Thread(target=run, daemon=True, name="scheduled-actions").start()
