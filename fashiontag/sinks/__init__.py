"""Rows → files: tables for machines, a contact sheet for people."""
