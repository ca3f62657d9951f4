//! The `wicketgate` command line.

fn main() {}
