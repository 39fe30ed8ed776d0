"""Telegram channels through a bot.

Imported by `connectors.registry` only.
"""
