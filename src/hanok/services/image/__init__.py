"""Image v2: images of disks, their data and who may see them.

Owns images, their further properties, tags and members, and the files their data is in. Bytes are hashed and looked at
while they stream in; nothing else opens an image before that.

Source: Image API v2 reference.
"""
