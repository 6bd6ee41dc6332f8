"""Every adapter, in process and over real HTTP."""
