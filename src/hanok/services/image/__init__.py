"""Image v2: images of disks, their data and who may see them.

Source: Image API v2 reference.
"""
