//! Official clients and suites through the whole product, one suite a file.
