"""What other programs and libraries offer, with their names, arguments and answers."""
