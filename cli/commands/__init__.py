"""The commands, one file each; a command imports no other command."""
