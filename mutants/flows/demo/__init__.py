"""What `socialflow demo` shows, against simulated platforms.

Started by the launcher as a process of its own.
"""
