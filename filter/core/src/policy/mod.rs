//! May they: rules, the verdict, and the permit that forwarding demands.
