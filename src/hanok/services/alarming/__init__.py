"""Alarming v2: what is done when something that is measured passes a line, or when something happens.

Source: Aodh's REST API reference.
"""
