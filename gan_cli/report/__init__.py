"""Tables, charts and pages of run directories for ``gan-report``. Imports no torch, and writes into no run."""
