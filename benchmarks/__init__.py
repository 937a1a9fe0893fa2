"""Speed, size and truthfulness of Seatrial's engine beside its peers, measured in one run on loopback.

``python -m benchmarks`` (or ``make bench``) starts the servers, runs every generator that is installed, one at a
time, and writes what it saw under ``benchmarks/results``. How each number is taken stands in ``benchmarks/README.md``.
"""
