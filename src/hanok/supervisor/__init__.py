"""The parent of one cloud on one machine: starts engines, messages, control and node, and keeps them running.

settings.py    what a cloud is told when it is made, frozen in <state>/hanok.toml; where its files are
claims.py      which numbers (networks, ports, users) a cloud takes, so that several stand side by side
processes.py   other processes: found by what they run, told apart, ended only when recognised
parts.py       what has to run, as data
supervise.py   starts, adopts, restarts, stops

This process stays up for months beside everything else, so it imports little.
"""
