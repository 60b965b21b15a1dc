"""From a configuration to a finished run: what is trained, where it is kept, how it goes on."""
