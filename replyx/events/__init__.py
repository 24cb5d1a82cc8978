"""News from the domain: the catalogue, the record, the bus that wakes listeners."""
