"""Orchestration v1, as Heat serves it: stacks of resources from templates, and the door of CloudFormation.

It owns stacks, their resources' rows, events, snapshots, software configs and deployments. What a resource is made of
belongs to the service that was asked for it, with the rights of whoever asked for the stack.
"""
