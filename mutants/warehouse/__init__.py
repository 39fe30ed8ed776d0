"""What is kept and computed: the operational store, the lake, the timing model."""
