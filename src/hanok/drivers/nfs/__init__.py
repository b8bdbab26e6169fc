"""Shares over NFS: pools of Btrfs that hold them to their sizes, and NFS-Ganesha that gives them out."""
