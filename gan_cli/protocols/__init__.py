"""Interfaces that the packages meet at; they import nothing of this project."""
