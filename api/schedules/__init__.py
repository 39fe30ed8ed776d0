"""Calendar endpoints: calendar, iCalendar feeds, queue slots, recurring posts.

Imported by `api.app` and the dashboard.
"""
