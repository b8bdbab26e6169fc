"""S3 on the same data: a bucket is a container of the account of the project that the key is for.

Requests are told apart from Swift's by their signature. Source: the API reference of Amazon S3, 2006-03-01.
"""
