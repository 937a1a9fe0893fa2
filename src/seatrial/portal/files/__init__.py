"""Files that people hand in: kept by digest, never executed, given back as attachments."""
