"""Tests of tables that clients send."""
