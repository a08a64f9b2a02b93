"""What AWS::S3::Bucket does on AWS and ministack's handler leaves out: tags, and refusing to delete a bucket with objects."""

from __future__ import annotations

from .types_base import Refused, tags_map

BUCKET = "AWS::S3::Bucket"


def apply() -> None:
    """Wraps ministack's handler."""
    from ministack.services.cloudformation.provisioners import _RESOURCE_HANDLERS

    _RESOURCE_HANDLERS[BUCKET] = wrapped(_RESOURCE_HANDLERS[BUCKET])


def wrapped(handler: dict) -> dict:
    """The handler with tags kept up to date and objects protected."""
    from ministack.services import s3

    def tag(name: str, tags: list | None) -> None:
        if tags:
            s3._bucket_tags[name] = tags_map(tags)
        else:
            s3._bucket_tags.pop(name, None)

    def create(logical_id, props, stack_name):
        name, attributes = handler["create"](logical_id, props, stack_name)
        tag(name, props.get("Tags"))
        return name, attributes

    def update(physical_id, old_props, new_props, stack_name):
        name, attributes = handler["update"](physical_id, old_props, new_props, stack_name)
        tag(name, new_props.get("Tags"))
        return name, attributes

    def delete(physical_id, props):
        bucket = s3._buckets.get(physical_id) or {}
        if bucket.get("objects") or s3._bucket_has_versions(physical_id):
            # In S3's words, since this becomes the reason of the stack's event.
            raise Refused(f"The bucket you tried to delete is not empty: {physical_id}. You must delete all versions in it.")
        handler["delete"](physical_id, props)

    return {**handler, "create": create, "update": update, "delete": delete}
