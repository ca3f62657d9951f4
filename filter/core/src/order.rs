//! In which order do things stand? One sort for lists of every type: the library's own is three kilobytes of module for each.

use std::cmp::Ordering;

/// Sorts; what is equal stays in its order. What is in order already costs one pass, anything else a bounded number of
/// comparisons for its length.
pub(crate) fn sort_by<T>(items: &mut Vec<T>, compare: impl Fn(&T, &T) -> Ordering) {
    if items.is_sorted_by(|a, b| compare(a, b).is_le()) {
        return;
    }
    let order = ascending(items, &compare);
    let mut places: Vec<Option<T>> = std::mem::take(items).into_iter().map(Some).collect();
    items.extend(order.into_iter().filter_map(|at| places.get_mut(at)?.take()));
}

/// Sorts, and leaves out repeats.
pub fn each_once<T: Ord>(items: &mut Vec<T>) {
    sort_by(items, T::cmp);
    items.dedup();
}

/// Whether one of `items` equals another.
pub(crate) fn repeats<T: Ord>(items: &[T]) -> bool {
    let order = ascending(items, &T::cmp);
    let at = |place: &usize| items.get(*place);
    order.windows(2).any(|pair| matches!(pair, [a, b] if at(a) == at(b)))
}

/// The places of `items`, the smallest first; of equal ones, the first first.
fn ascending<T>(items: &[T], compare: &dyn Fn(&T, &T) -> Ordering) -> Vec<usize> {
    places(items.len(), &|a, b| match (items.get(a), items.get(b)) {
        (Some(a), Some(b)) => compare(a, b),
        // Neither is ever asked.
        _ => Ordering::Equal,
    })
}

/// The numbers below `count`, in this order, equal ones in their own. It knows no type, so that the sort is there once.
fn places(count: usize, compare: &dyn Fn(usize, usize) -> Ordering) -> Vec<usize> {
    let mut places: Vec<usize> = (0..count).collect();
    places.sort_unstable_by(|a, b| compare(*a, *b).then(a.cmp(b)));
    places
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{each_once, repeats, sort_by};

    proptest! {
        #[test]
        fn it_is_the_order_of_the_library(items in prop::collection::vec((0..9_u8, 0..99_u8), 0..60)) {
            let (mut ours, mut theirs) = (items.clone(), items.clone());
            sort_by(&mut ours, |a, b| a.0.cmp(&b.0));
            theirs.sort_by_key(|item| item.0);
            prop_assert_eq!(ours, theirs);
        }

        #[test]
        fn repeats_are_found_and_left_out(items in prop::collection::vec(0..40_u8, 0..12)) {
            let (mut ours, mut theirs) = (items.clone(), items.clone());
            each_once(&mut ours);
            theirs.sort_unstable();
            theirs.dedup();
            prop_assert_eq!(repeats(&items), theirs.len() < items.len());
            prop_assert_eq!(ours, theirs);
        }
    }
}
