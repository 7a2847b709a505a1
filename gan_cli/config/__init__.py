"""From YAML to checked objects. Imports no torch."""
