"""Departments, contractors and testing organisations: whom people belong to."""
