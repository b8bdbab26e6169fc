"""The types of resources: what each may be given, what it tells, and how it is made, in data as far as that goes."""
