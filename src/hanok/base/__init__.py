"""What every room stands on: ids, clock, units, settings, log, errors, failpoints."""
