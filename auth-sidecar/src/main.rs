//! The `wicketgate-auth` binary.

fn main() {}
