"""Server processes: connections, workers, faults, their end."""
