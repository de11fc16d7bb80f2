"""From a document to a result: parsing, validation, limits, cost, deadlines, errors."""
