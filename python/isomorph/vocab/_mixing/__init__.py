"""What a :class:`isomorph.vocab.TokenMixing` does: applied, multiplied, explained, in files."""
