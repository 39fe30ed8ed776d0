"""The publisher: sends every post exactly once at its scheduled second, plus recurrences and webhooks.

Imported by `flows.deployments` and the command line.
"""
