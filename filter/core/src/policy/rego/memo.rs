//! What was decided a moment ago? A bounded map whose oldest half goes when it is full.

use std::collections::BTreeMap;

/// At most twice as many entries as it was made for.
#[derive(Debug)]
pub(super) struct Memo<K, V> {
    young: BTreeMap<K, V>,
    old: BTreeMap<K, V>,
    most: usize,
}

// === impl Memo ===

impl<K: Ord + Clone, V: Clone> Memo<K, V> {
    pub(super) const fn new(most: usize) -> Self {
        Self { young: BTreeMap::new(), old: BTreeMap::new(), most }
    }

    /// What is remembered of `key`, which is then young again.
    pub(super) fn get(&mut self, key: &K) -> Option<V> {
        if let Some(value) = self.young.get(key) {
            return Some(value.clone());
        }
        let value = self.old.remove(key)?;
        self.put(key.clone(), value.clone());
        Some(value)
    }

    pub(super) fn put(&mut self, key: K, value: V) {
        if self.young.len() >= self.most {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, value);
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_forgets_what_was_not_asked_for_and_stays_bounded() {
        let mut memo = Memo::new(10);
        memo.put(0, 0);
        for key in 1..1000 {
            memo.put(key, key);
            assert_eq!(memo.get(&0), Some(0), "asked for all the time");
            assert!(memo.len() <= 20);
        }
        assert_eq!(memo.get(&1), None);
        assert_eq!(memo.get(&999), Some(999));
    }
}
