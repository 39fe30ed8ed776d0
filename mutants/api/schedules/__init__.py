"""The calendar over HTTP: schedules, iCalendar feeds, queue slots, recurring posts.

Imported by `api.app` and the dashboard.
"""
