"""Sending every post once, at its second: the publisher, its steps around each send, recurrences and webhooks.

Imported by `flows.deployments` and the command line.
"""
