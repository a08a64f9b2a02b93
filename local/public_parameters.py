"""The public SSM parameters that AWS publishes in every account and that templates refer to: the newest AMIs.

Their values are IDs of no real image; the local EC2 keeps instances as records and starts none.
"""

from __future__ import annotations

import json

from . import instance
from .request_context import request_scope

_PREFIX = "/aws/service/ami-amazon-linux-latest/"
_KERNELS = ("kernel-default", "kernel-6.1", "kernel-6.12")
_ARCHITECTURES = ("arm64", "x86_64")


def names() -> list[str]:
    """Amazon Linux 2023's parameters, one for each kernel and architecture."""
    return [f"{_PREFIX}al2023-ami-{kernel}-{arch}" for kernel in _KERNELS for arch in _ARCHITECTURES]


def publish() -> None:
    """Puts the parameters into the local SSM, whose PutParameter rightly refuses the reserved prefix to clients."""
    from ministack.services import ssm

    refuse = ssm._reserved_name_error
    ssm._reserved_name_error = lambda name: None
    try:
        with request_scope(instance.ACCOUNT, instance.REGION):
            for number, name in enumerate(names(), start=1):
                status, _, body = ssm._put_parameter({
                    "Name": name, "Value": f"ami-{number:017x}", "Type": "String", "Overwrite": True,
                    "DataType": "text"})
                if status != 200:
                    raise RuntimeError(f"publish {name} in the local SSM: {json.loads(body)}")
    finally:
        ssm._reserved_name_error = refuse
