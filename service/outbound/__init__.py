"""What the service sends to other people's servers: which URLs and network addresses, how signed, by what client."""
