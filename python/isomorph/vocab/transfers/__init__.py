"""Transfers: a model moved to another tokenizer, and how well each method would begin its rows."""

from isomorph.vocab.transfers._leave_out import leave_out
from isomorph.vocab.transfers._results import LeaveOut
from isomorph.vocab.transfers._transfer import Transferred, transfer

__all__ = ["LeaveOut", "Transferred", "leave_out", "transfer"]
