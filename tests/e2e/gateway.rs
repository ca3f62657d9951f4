//! What the gateway does with real requests, one behaviour a file.
