"""What runs and when: Prefect flows, the publisher, the processes of `socialflow up`, and the command line.

Nothing outside imports it.
"""
