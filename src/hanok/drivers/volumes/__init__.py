"""Volumes on a host: files in layers, served by one `qemu-storage-daemon` over NBD.

layer.py     a file of a volume's chain, and what QEMU is told of it
backend.py   where layers are kept: the interface, and a folder
daemon.py    the process: started, found again, asked over QMP
graph.py     what of the layers is open in it: chains under a throttle filter, exports, jobs

The daemon knows nothing that is not written down elsewhere: a graph that differs from the records is dropped and loaded
anew, and so is everything when it dies. Guests wait meanwhile.
"""
