"""The access rules of image with their upstream names and default checks.

Source: the service's policy reference.
"""

from __future__ import annotations

from hanok.web.policy import BY_OPERATORS, Rule, of_projects

_RULES: tuple[Rule, ...] = (
    Rule(
        "add_image",
        "rule:context_is_admin or (role:member and project_id:%(project_id)s and project_id:%(owner)s)",
        "POST /v2/images",
    ),
    Rule(
        "add_image_location",
        "rule:service_api or (role:member and project_id:%(project_id)s and project_id:%(owner)s)",
        "POST /v2/images/{image_id}/locations",
    ),
    Rule(
        "add_member",
        "rule:context_is_admin or (role:member and project_id:%(project_id)s)",
        "POST /v2/images/{image_id}/members",
    ),
    Rule("add_metadef_namespace", "rule:metadef_admin", "POST /v2/metadefs/namespaces"),
    Rule(
        "add_metadef_object",
        "rule:metadef_admin",
        "POST /v2/metadefs/namespaces/{namespace_name}/objects",
    ),
    Rule(
        "add_metadef_property",
        "rule:metadef_admin",
        "POST /v2/metadefs/namespaces/{namespace_name}/properties",
    ),
    Rule(
        "add_metadef_resource_type_association",
        "rule:metadef_admin",
        "POST /v2/metadefs/namespaces/{namespace_name}/resource_types",
    ),
    Rule(
        "add_metadef_tag",
        "rule:metadef_admin",
        "POST /v2/metadefs/namespaces/{namespace_name}/tags/{tag_name}",
    ),
    Rule(
        "add_metadef_tags",
        "rule:metadef_admin",
        "POST /v2/metadefs/namespaces/{namespace_name}/tags",
    ),
    Rule("cache_clean", "rule:context_is_admin", "POST /v2/cache/clean"),
    Rule("cache_delete", "rule:context_is_admin", "DELETE /v2/cache; DELETE /v2/cache/{image_id}"),
    Rule("cache_image", "rule:context_is_admin", "PUT /v2/cache/{image_id}"),
    Rule("cache_list", "rule:context_is_admin", "GET /v2/cache"),
    Rule("cache_prune", "rule:context_is_admin", "POST /v2/cache/prune"),
    Rule(
        "communitize_image",
        "rule:context_is_admin or (role:member and project_id:%(project_id)s)",
        "PATCH /v2/images/{image_id}",
    ),
    Rule("copy_image", "rule:context_is_admin", "POST /v2/images/{image_id}/import"),
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
    Rule("delete_image_location", "rule:context_is_admin", "PATCH /v2/images/{image_id}"),
    Rule(
        "delete_member",
        "rule:context_is_admin or (role:member and project_id:%(project_id)s)",
        "DELETE /v2/images/{image_id}/members/{member_id}",
    ),
    Rule(
        "delete_metadef_namespace",
        "rule:metadef_admin",
        "DELETE /v2/metadefs/namespaces/{namespace_name}",
    ),
    Rule(
        "delete_metadef_object",
        "rule:metadef_admin",
        "DELETE /v2/metadefs/namespaces/{namespace_name}/objects/{object_name}",
    ),
    Rule(
        "delete_metadef_tag",
        "rule:metadef_admin",
        "DELETE /v2/metadefs/namespaces/{namespace_name}/tags/{tag_name}",
    ),
    Rule(
        "delete_metadef_tags",
        "rule:metadef_admin",
        "DELETE /v2/metadefs/namespaces/{namespace_name}/tags",
    ),
    Rule(
        "download_image",
        "rule:context_is_admin or (role:member and (project_id:%(project_id)s or project_id:%(member_id)s or 'community':%(visibility)s or 'public':%(visibility)s or 'shared':%(visibility)s))",
        "GET /v2/images/{image_id}/file",
    ),
    Rule("fetch_image_location", "rule:service_api", "GET /v2/images/{image_id}/locations"),
    Rule(
        "get_image",
        "rule:context_is_admin or (role:reader and (project_id:%(project_id)s or project_id:%(member_id)s or 'community':%(visibility)s or 'public':%(visibility)s or 'shared':%(visibility)s))",
        "GET /v2/images/{image_id}",
    ),
    Rule(
        "get_image_location",
        "rule:context_is_admin or (role:reader and project_id:%(project_id)s)",
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
        "get_metadef_namespace",
        "rule:context_is_admin or (role:reader and (project_id:%(project_id)s or 'public':%(visibility)s))",
        "GET /v2/metadefs/namespaces/{namespace_name}",
    ),
    Rule(
        "get_metadef_namespaces",
        "rule:context_is_admin or (role:reader and project_id:%(project_id)s)",
        "GET /v2/metadefs/namespaces",
    ),
    Rule(
        "get_metadef_object",
        "rule:context_is_admin or (role:reader and (project_id:%(project_id)s or 'public':%(visibility)s))",
        "GET /v2/metadefs/namespaces/{namespace_name}/objects/{object_name}",
    ),
    Rule(
        "get_metadef_objects",
        "rule:context_is_admin or (role:reader and (project_id:%(project_id)s or 'public':%(visibility)s))",
        "GET /v2/metadefs/namespaces/{namespace_name}/objects",
    ),
    Rule(
        "get_metadef_properties",
        "rule:context_is_admin or (role:reader and (project_id:%(project_id)s or 'public':%(visibility)s))",
        "GET /v2/metadefs/namespaces/{namespace_name}/properties",
    ),
    Rule(
        "get_metadef_property",
        "rule:context_is_admin or (role:reader and (project_id:%(project_id)s or 'public':%(visibility)s))",
        "GET /v2/metadefs/namespaces/{namespace_name}/properties/{property_name}",
    ),
    Rule(
        "get_metadef_resource_type",
        "rule:context_is_admin or (role:reader and (project_id:%(project_id)s or 'public':%(visibility)s))",
        "GET /v2/metadefs/namespaces/{namespace_name}/resource_types",
    ),
    Rule(
        "get_metadef_tag",
        "rule:context_is_admin or (role:reader and (project_id:%(project_id)s or 'public':%(visibility)s))",
        "GET /v2/metadefs/namespaces/{namespace_name}/tags/{tag_name}",
    ),
    Rule(
        "get_metadef_tags",
        "rule:context_is_admin or (role:reader and (project_id:%(project_id)s or 'public':%(visibility)s))",
        "GET /v2/metadefs/namespaces/{namespace_name}/tags",
    ),
    Rule(
        "list_metadef_resource_types",
        "rule:context_is_admin or (role:reader and (project_id:%(project_id)s or 'public':%(visibility)s))",
        "GET /v2/metadefs/resource_types",
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
    Rule(
        "modify_metadef_namespace",
        "rule:metadef_admin",
        "PUT /v2/metadefs/namespaces/{namespace_name}",
    ),
    Rule(
        "modify_metadef_object",
        "rule:metadef_admin",
        "PUT /v2/metadefs/namespaces/{namespace_name}/objects/{object_name}",
    ),
    Rule(
        "modify_metadef_property",
        "rule:metadef_admin",
        "GET /v2/metadefs/namespaces/{namespace_name}/properties/{property_name}",
    ),
    Rule(
        "modify_metadef_tag",
        "rule:metadef_admin",
        "PUT /v2/metadefs/namespaces/{namespace_name}/tags/{tag_name}",
    ),
    Rule("publicize_image", "rule:context_is_admin", "PATCH /v2/images/{image_id}"),
    Rule(
        "reactivate",
        "rule:context_is_admin or (role:member and project_id:%(project_id)s)",
        "POST /v2/images/{image_id}/actions/reactivate",
    ),
    Rule(
        "remove_metadef_property",
        "rule:metadef_admin",
        "DELETE /v2/metadefs/namespaces/{namespace_name}/properties/{property_name}",
    ),
    Rule(
        "remove_metadef_resource_type_association",
        "rule:metadef_admin",
        "POST /v2/metadefs/namespaces/{namespace_name}/resource_types/{name}",
    ),
    Rule(
        "set_image_location",
        "rule:context_is_admin or (role:member and project_id:%(project_id)s)",
        "PATCH /v2/images/{image_id}",
    ),
    Rule(
        "stores_info_detail",
        "rule:context_is_admin or rule:service_api",
        "GET /v2/info/stores/detail",
    ),
    Rule(
        "tasks_api_access",
        "rule:context_is_admin",
        "GET /v2/tasks/{task_id}; GET /v2/tasks; POST /v2/tasks; DELETE /v2/tasks/{task_id}",
    ),
    Rule(
        "upload_image",
        "rule:context_is_admin or (role:member and project_id:%(project_id)s)",
        "PUT /v2/images/{image_id}/file",
    ),
    Rule("context_is_admin", "role:admin", "Used by other rules."),
    Rule("default", "@", "Used by other rules."),
    Rule("add_task", "rule:default", "Make a task, beside tasks_api_access (POST /v2/tasks)"),
    Rule(
        "get_task", "rule:default", "See a task, beside tasks_api_access (GET /v2/tasks/{task_id})"
    ),
    Rule("get_tasks", "rule:default", "See the tasks, beside tasks_api_access (GET /v2/tasks)"),
    Rule(
        "modify_task",
        "rule:default",
        "Change a task, beside tasks_api_access (DELETE /v2/tasks/{task_id})",
    ),
    Rule("metadef_admin", "rule:context_is_admin", "Used by other rules."),
    Rule("service_api", "role:service or role:admin", "Used by other rules."),
    # No rule of ours leads to these; an operator's file may, as upstream's own do.
    Rule("metadef_default", "@", BY_OPERATORS),
)
RULES = of_projects(_RULES)
