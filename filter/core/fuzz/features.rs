//! Where a test is built, dependencies have the features that tests want of them, as in every other build of this workspace: so
//! they are built once for both. There is no cheaper one.

fn main() {}
