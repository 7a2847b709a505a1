"""Interfaces shared by the packages; they import nothing else of this project."""
