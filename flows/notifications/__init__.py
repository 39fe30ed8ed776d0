"""Notify people by mail, chat or phone of what needs their attention, through apprise.

`starter.keep_notifying` runs in each publisher and starts `python -m flows.notifications` when messages are due.
Imported by `flows.publishing.service`, the doctor and the command line.
"""
