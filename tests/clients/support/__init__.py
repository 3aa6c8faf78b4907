"""What the client tests share: the gateway as a process, an AWS that plays from a script, and readers of both."""
