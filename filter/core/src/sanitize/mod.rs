//! What may come back: filtered lists.
