"""What tokenguard costs, beside the bare signature check and beside its peers: `make bench`, `make bench-quick`."""
