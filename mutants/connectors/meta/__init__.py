"""What Facebook, Instagram and Threads share: the Graph API's requests, errors and containers.

Imported by these three only.
"""
