"""The access rules of image with their upstream names and default checks.

Source: the service's policy reference.
"""

from __future__ import annotations

from hanok.web.policy import Rule

RULES: tuple[Rule, ...] = (
    Rule(
        "add_image",
        "rule:context_is_admin or (role:member and project_id:%(project_id)s and project_id:%(owner)s)",
        "POST /v2/images",
    ),
    Rule(
        "add_member",
        "rule:context_is_admin or (role:member and project_id:%(project_id)s)",
        "POST /v2/images/{image_id}/members",
    ),
    Rule(
        "communitize_image",
        "rule:context_is_admin or (role:member and project_id:%(project_id)s)",
        "PATCH /v2/images/{image_id}",
    ),
    Rule(
        "deactivate",
        "rule:context_is_admin or (role:member and project_id:%(project_id)s)",
        "POST /v2/images/{image_id}/actions/deactivate",
    ),
    Rule(
        "delete_image",
        "rule:context_is_admin or (role:member and project_id:%(project_id)s)",
        "DELETE /v2/images/{image_id}",
    ),
    Rule(
        "delete_member",
        "rule:context_is_admin or (role:member and project_id:%(project_id)s)",
        "DELETE /v2/images/{image_id}/members/{member_id}",
    ),
    Rule(
        "download_image",
        "rule:context_is_admin or (role:member and (project_id:%(project_id)s or project_id:%(member_id)s or 'community':%(visibility)s or 'public':%(visibility)s or 'shared':%(visibility)s))",
        "GET /v2/images/{image_id}/file",
    ),
    Rule(
        "get_image",
        "rule:context_is_admin or (role:reader and (project_id:%(project_id)s or project_id:%(member_id)s or 'community':%(visibility)s or 'public':%(visibility)s or 'shared':%(visibility)s))",
        "GET /v2/images/{image_id}",
    ),
    Rule(
        "get_images",
        "rule:context_is_admin or (role:reader and project_id:%(project_id)s)",
        "GET /v2/images",
    ),
    Rule(
        "get_member",
        "rule:context_is_admin or role:reader and (project_id:%(project_id)s or project_id:%(member_id)s)",
        "GET /v2/images/{image_id}/members/{member_id}",
    ),
    Rule(
        "get_members",
        "rule:context_is_admin or role:reader and (project_id:%(project_id)s or project_id:%(member_id)s)",
        "GET /v2/images/{image_id}/members",
    ),
    Rule(
        "modify_image",
        "rule:context_is_admin or (role:member and project_id:%(project_id)s)",
        "PATCH /v2/images/{image_id}",
    ),
    Rule(
        "modify_member",
        "rule:context_is_admin or (role:member and project_id:%(member_id)s)",
        "PUT /v2/images/{image_id}/members/{member_id}",
    ),
    Rule("publicize_image", "rule:context_is_admin", "PATCH /v2/images/{image_id}"),
    Rule(
        "reactivate",
        "rule:context_is_admin or (role:member and project_id:%(project_id)s)",
        "POST /v2/images/{image_id}/actions/reactivate",
    ),
    Rule(
        "upload_image",
        "rule:context_is_admin or (role:member and project_id:%(project_id)s)",
        "PUT /v2/images/{image_id}/file",
    ),
    Rule("context_is_admin", "role:admin", "Used by other rules."),
    Rule("default", "@", "Used by other rules."),
)
