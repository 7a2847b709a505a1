"""Run directories as tables and pictures: what ``gan-report`` shows. Imports no torch, and writes into no run."""
