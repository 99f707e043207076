//! Entropic transport.

pub mod assign;
