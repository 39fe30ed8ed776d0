"""Tell people by mail, chat or phone what needs them, through apprise.

`notify_beside` runs beside each publisher and starts `python -m flows.notifications` when there is something to tell.
Imported by `flows.publishing.service`, the doctor and the command line.
"""
