//! Embedding files: readers that validate before they allocate, writers that are atomic.
#![deny(missing_docs)]
