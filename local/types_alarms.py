"""Alarms on metric math, which ministack's own type refuses: kept and described, never evaluated."""

from __future__ import annotations

from . import records
from .types_base import Call, Type

_NAME = "AWS::CloudWatch::Alarm"


def _ministack(name: str):
    from ministack.services.cloudformation import provisioners

    return getattr(provisioners, name)


def _put(call: Call, name: str) -> tuple[str, dict]:
    if not call.props.get("Metrics"):
        records.remove(call.account, call.region, _NAME, name)
        return _ministack("_cw_metric_alarm_put")(name, call.props)
    if call.props.get("MetricName"):
        raise ValueError("MetricName and Metrics can't be set together")
    from ministack.services import cloudwatch

    # ministack's record is made with a stand-in metric, which is then taken out: an alarm without a metric is
    # never evaluated.
    props = {"Threshold": 0, **call.props, "MetricName": "-", "Namespace": "-", "Metrics": None}
    alarm = _ministack("_cw_metric_alarm_record")(name, props)
    alarm |= {"MetricName": None, "Namespace": None, "Statistic": None, "Metrics": call.props["Metrics"]}
    cloudwatch.cloudformation_put_metric_alarm(alarm)
    records.put(call.account, call.region, _NAME, name, {"Metrics": call.props["Metrics"]})
    return name, {"Arn": alarm["AlarmArn"]}


def _create(call: Call):
    return _put(call, call.props.get("AlarmName") or call.name(255))


def _update(call: Call):
    return _put(call, call.physical_id)[1]


def _delete(call: Call):
    records.remove(call.account, call.region, _NAME, call.physical_id)
    _ministack("_cw_metric_alarm_delete")(call.physical_id, call.props)


TYPES = (Type(_NAME, _create, _delete, _update, frozenset({"AlarmName"})),)
"""The type of this file; only its alarms on metric math are records."""
