//! From the document to what cannot be wrong: raw, compile, errors with paths.
