"""Storage and computation: the operational store, the lake, planning, scheduling and the timing model."""
