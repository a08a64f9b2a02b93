"""What the launcher changes inside ministack, each for a stated reason; everything else is in tables of its own."""

from __future__ import annotations

import sys

from . import account_settings, api_additions, api_response, containers, dependencies, ecs_services, exits, waiting

SECRETS_TRANSFORM = "AWS::SecretsManager-2024-09-16"


def apply() -> None:
    """Applies all changes; called once, before the server starts."""
    _import_services()
    # Here, since this file offers what that one needs.
    from . import exports, lambdanet, rules, scans, targets, tasksets

    account_settings.apply()
    api_additions.apply()
    api_response.apply()
    containers.apply()
    dependencies.apply()
    ecs_services.apply()
    exits.apply()
    tasksets.apply()
    waiting.apply()
    targets.apply()
    exports.apply()
    lambdanet.apply()
    rules.apply()
    scans.apply()
    _change_transforms()


def _import_services() -> None:
    # ministack loads a service at its first request; what is changed here must be there before.
    from ministack.services import (  # noqa: F401
        acm, alb, autoscaling, cloudformation, cloudwatch, ec2, ecr, ecs, eventbridge, lambda_svc, route53, secretsmanager, tagging, waf)


def replace_everywhere(original, replacement) -> None:
    """Rebinds a ministack function in every module that imported it by name."""
    for name, module in list(sys.modules.items()):
        if name.startswith("ministack."):
            for attribute, value in list(vars(module).items()):
                if value is original:
                    setattr(module, attribute, replacement)


def without_transform(template: dict, name: str) -> dict:
    """A template that no longer declares a transform."""
    declared = template.get("Transform")
    entries = declared if isinstance(declared, list) else [declared]
    kept = [e for e in entries if e != name]
    if len(kept) == len(entries):
        return template
    template = dict(template)
    template.pop("Transform")
    if kept:
        template["Transform"] = kept
    return template


def _change_transforms() -> None:
    """Refuses applications of the Serverless Application Repository, and accepts the transform of hosted rotation.

    On AWS the transform puts a nested stack with AWS's own rotation function into the template. Here its request
    (HostedRotationLambda) stays on the schedule, which is recorded: a schedule without a Lambda.
    """
    from ministack.services.cloudformation import engine

    original = engine._apply_transforms

    def apply_transforms(template, *args, **kwargs):
        # Its template would be fetched from an API that isn't here, by a call that blocks the server.
        resources = template.get("Resources") or {}
        found = sorted(k for k, r in resources.items() if (r or {}).get("Type") == "AWS::Serverless::Application")
        if found:
            raise ValueError(f"Template format error: AWS::Serverless::Application ({', '.join(found)}) needs the "
                             "Serverless Application Repository, which the local AWS doesn't have")
        return original(without_transform(template, SECRETS_TRANSFORM), *args, **kwargs)

    replace_everywhere(original, apply_transforms)
