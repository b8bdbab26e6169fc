"""Object storage: accounts, containers and objects, as Swift's API v1 speaks of them.

An account is a project's. Rows say what there is; the bytes of an object are a blob in a byte store
(`drivers/byte_store.py`). A blob is written whole before the row that refers to it, and is let go after the row that
did is gone, so a crash leaves nothing but blobs that nobody refers to; a loop finds those.

Source: the Object Storage API reference and the overview of Swift's middleware in its administrators' guide.
"""
