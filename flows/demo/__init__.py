"""Steps of `socialflow demo`, run against simulated platforms.

Started by the launcher as a separate process.
"""
