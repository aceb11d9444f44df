"""What tools/package is made of: one file per kind of package, and what they share."""
